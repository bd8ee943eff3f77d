//! Pages of other origins, and headers that try to bring others with them.

use portcullis_tests::{Answer, Host};

use super::exchange;

#[test]
fn pages_of_the_origins_that_are_listed_may_use_the_api_and_no_others() {
    let listed = "https://app.example.org";
    let config =
        "[server.cors]\norigins = [\"https://app.example.org\", \"http://localhost:5173\"]\ncredentials = true\n";
    let host = Host::init().with_plugins(["catalog"]).with_config(config).start();
    let ask = |method: &str, path: &str, origin: &str| {
        let request = host.api().request(method, path).header("origin", origin);
        match method {
            "OPTIONS" => request.header("access-control-request-method", "PUT").send(),
            _ => request.send(),
        }
    };
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);

    for origin in [listed, "http://localhost:5173"] {
        let answer = ask("GET", "/api/products", origin).expect(200);
        assert_eq!(allowed(&answer).as_deref(), Some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        for name in ["etag", "link", "location", "retry-after", "ratelimit", "x-request-id"] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
        }
        assert!(
            answer
                .headers
                .iter()
                .any(|(name, value)| name == "vary" && value == "origin")
        );
        let preflight = ask("OPTIONS", "/api/products/7", origin).expect(204);
        assert_eq!(allowed(&preflight).as_deref(), Some(origin));
        let methods = preflight.header("access-control-allow-methods").unwrap_or_default();
        assert!(methods.contains("PATCH") && !methods.contains("POST"), "{methods}");
        let headers = preflight.header("access-control-allow-headers").unwrap_or_default();
        assert!(
            headers.contains("authorization") && headers.contains("if-match"),
            "{headers}"
        );
        assert_eq!(preflight.header("access-control-max-age"), Some("600"));
    }
    // The page reads refusals, too.
    assert_eq!(
        allowed(&ask("GET", "/api/nothing", listed).expect(404)).as_deref(),
        Some(listed)
    );

    for origin in [
        "null",
        "*",
        "https://app.example.org.evil.example",
        "https://evil.example",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://APP.example.org",
        "https://app.example.org/",
        "https://app.example.org, https://evil.example",
        "https://app.example.org%0d%0aset-cookie: a=b",
        "",
    ] {
        for method in ["GET", "OPTIONS"] {
            let answer = ask(method, "/api/products", origin);
            assert_eq!(access_headers(&answer), Vec::<String>::new(), "{method} {origin:?}");
        }
    }
    let twice = "GET /api/products HTTP/1.1\r\nhost: a\r\norigin: https://app.example.org\r\n\
                 origin: https://evil.example\r\nconnection: close\r\n\r\n";
    assert!(!exchange(host.api(), twice).contains("access-control-"));

    // The pages for people are for nobody else's page, and neither is the admin API.
    assert_eq!(
        access_headers(&ask("GET", "/account/reset", listed)),
        Vec::<String>::new()
    );
    let admin = host
        .admin()
        .request("GET", "/admin/api/plugins")
        .header("origin", listed)
        .send();
    assert_eq!(access_headers(&admin.expect(200)), Vec::<String>::new());
}

#[test]
fn without_a_list_no_answer_speaks_of_origins() {
    let host = Host::init().start();
    let request = host
        .api()
        .request("GET", "/healthz")
        .header("origin", "https://app.example.org");
    let answer = request.send().expect(200);
    assert_eq!(access_headers(&answer), Vec::<String>::new());
    assert!(
        !answer
            .headers
            .iter()
            .any(|(name, value)| name == "vary" && value.contains("origin"))
    );
}

#[test]
fn headers_that_smuggle_others_end_in_no_answer() {
    let origin =
        "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[server.cors]\norigins = [\"https://app.example.org\"]\n";
    let host = Host::init().with_config(origin).start();
    for header in [
        "origin: https://app.example.org\r\n smuggled: yes",
        "origin: https://app.example.org\rsmuggled: yes",
        "origin: https://app.example.org\nsmuggled: yes",
        "origin: https://app.example.org\0smuggled: yes",
        "origin: https://app.example.org\u{2028}smuggled: yes",
        "access-control-request-method: GET\r\naccess-control-request-headers: smuggled",
        "forwarded: for=\"8.8.8.8\r\n smuggled: yes\"",
        "forwarded: for=8.8.8.8;host=smuggled;proto=https",
        "x-forwarded-host: smuggled",
        "x-forwarded-for: smuggled",
        "x-forwarded-proto: https\r\n smuggled: yes",
    ] {
        for method in ["GET", "OPTIONS"] {
            let request = format!("{method} /healthz HTTP/1.1\r\nhost: a\r\n{header}\r\nconnection: close\r\n\r\n");
            let said = exchange(host.api(), &request);
            assert!(!said.contains("smuggled"), "{header:?}: {said}");
            assert!(
                said.starts_with("HTTP/1.1 2") || said.starts_with("HTTP/1.1 4"),
                "{header:?}: {said}"
            );
        }
    }
}

/// The headers that would let a page of another origin read an answer.
fn access_headers(answer: &Answer) -> Vec<String> {
    let names = answer.headers.iter().map(|(name, _)| name.clone());
    names.filter(|name| name.starts_with("access-control-")).collect()
}
