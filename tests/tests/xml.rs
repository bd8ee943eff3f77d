//! XML both ways: the mapping of `fn:json-to-xml`, and problems as RFC 9457 has them.

use portcullis_tests::{Answer, Host};

const LAMP: &str = r#"<?xml version="1.0"?>
<map xmlns="http://www.w3.org/2005/xpath-functions">
  <string key="sku">lamp</string><string key="name">Lamp &amp; shade</string>
  <number key="price_cents">1200</number><array key="tags"><string>home</string></array>
</map>"#;

fn send(host: &Host, method: &str, path: &str, body: &str) -> Answer {
    host.operator()
        .request(method, path)
        .header("accept", "application/xml")
        .body("application/xml", body)
        .send()
}

#[test]
fn a_document_is_made_changed_and_read_as_xml() {
    let host = Host::init().with_plugins(["catalog"]).start();
    let made = send(&host, "POST", "/api/products", LAMP).expect(201);
    assert_eq!(
        (made.header("content-type"), made.etag()),
        (Some("application/xml; charset=utf-8"), "\"1-xml\"".to_owned())
    );
    assert!(
        made.text().contains("<string key=\"name\">Lamp &amp; shade</string>"),
        "{}",
        made.text()
    );

    let path = made.location();
    assert_eq!(host.get(&path).expect(200).json()["price_cents"], 1200);
    let patch = "<map xmlns='http://www.w3.org/2005/xpath-functions'><null key='price_cents'/></map>";
    let patched = send(&host, "PATCH", &path, patch).expect(200);
    assert!(!patched.text().contains("price_cents"));
    // A tag names the revision in whatever format it was given out.
    let stale = host
        .operator()
        .request("DELETE", &path)
        .header("if-match", "\"1-xml\"")
        .send();
    stale.expect_problem(412, "precondition_failed");
    host.operator()
        .request("DELETE", &path)
        .header("if-match", "\"2-xml\"")
        .send()
        .expect(204);
}

#[test]
fn problems_are_xml_where_xml_is_wanted() {
    let host = Host::init().with_plugins(["catalog"]).start();
    let refused = host
        .api()
        .request("GET", "/api/nothing")
        .header("accept", "application/xml")
        .send()
        .expect(404);
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+xml; charset=utf-8")
    );
    assert!(refused.text().contains("<problem xmlns=\"urn:ietf:rfc:7807\">"));
    assert!(refused.text().contains("<code>not_found</code>"));
}

#[test]
fn bombs_and_what_is_not_the_mapping_are_refused() {
    let host = Host::init().with_plugins(["catalog"]).start();
    let bomb = "<!DOCTYPE b [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;'>]><map>&b;</map>";
    let outside = "<!DOCTYPE map SYSTEM 'file:///etc/passwd'><map/>";
    let deep = format!(
        "<map xmlns='http://www.w3.org/2005/xpath-functions'>{}",
        "<array key='a'>".repeat(50_000)
    );
    for bad in [bomb, outside, &deep, "<map/>", "<", "", "{}", "<?php ?><map/>"] {
        let refused = host
            .operator()
            .request("POST", "/api/products")
            .body("application/xml", bad)
            .send();
        refused.expect_problem(400, "malformed_xml");
    }
}
