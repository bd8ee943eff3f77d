//! Fields that clients may not see (`writeOnly`) and fields that they may not set (`readOnly`): on every route, whoever serves
//! the resource.

use std::fs;

use portcullis_tests::{Answer, Client, Host, Plugin};
use serde_json::{Value, json};

const SECRET: &str = "s3cret-of-ada";

/// A schema with a hidden field, a fixed one, and one of each in an object.
fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["name", "password"],
        "properties": {
            "name": { "type": "string" },
            "password": { "type": "string", "writeOnly": true },
            "score": { "type": "integer", "readOnly": true },
            "maker": { "type": "object", "properties": {
                "name": { "type": "string" }, "key": { "type": "string", "writeOnly": true },
                "rank": { "type": "integer", "readOnly": true }
            } }
        }
    })
}

/// One that the host serves, and one whose plugin does: what they promise is the same.
fn hosts() -> [(Host, String); 2] {
    ["hooked", "probe"].map(|name| {
        let plugin = Plugin::named(name).with_schema(&schema());
        (Host::init().with_plugin(&plugin).start(), format!("/api/{name}"))
    })
}

fn ada() -> Value {
    json!({ "name": "Ada", "password": SECRET, "maker": { "name": "Eve", "key": SECRET } })
}

/// The document as the operator's export has it.
fn stored(host: &Host, path: &str) -> Value {
    let resource = path.trim_start_matches("/api/");
    let export = host.admin().get(&format!("/admin/api/export/{resource}")).expect(200);
    let line = export.text().lines().next().expect("there is a document").to_owned();
    serde_json::from_str(&line).expect("a line is JSON")
}

#[track_caller]
fn hides(answer: Answer) -> Answer {
    assert!(!answer.text().contains(SECRET), "{}", answer.text());
    assert!(!answer.text().contains("password\""), "{}", answer.text());
    answer
}

#[test]
fn what_is_write_only_is_in_no_answer() {
    for (host, path) in hosts() {
        let made = hides(host.post(&path, &ada()).expect(201));
        assert_eq!(made.json()["maker"], json!({ "name": "Eve" }));
        let one = made.location();
        hides(host.get(&one).expect(200));
        hides(host.get(&path).expect(200));
        hides(host.api().patch(&one, &json!({ "name": "Ada B" })).expect(200));
        hides(host.api().put(&one, &json!({ "name": "Ada C" })).expect(200));
        hides(host.operator().get(&one).expect(200));
        let xml = host
            .api()
            .request("GET", &one)
            .header("accept", "application/xml")
            .send();
        hides(xml.expect(200));
        let operations = json!([
            { "method": "POST", "path": path, "body": ada() },
            { "method": "GET", "path": one },
            { "method": "GET", "path": path },
            { "method": "PATCH", "path": one, "body": { "password": SECRET } },
        ]);
        hides(
            host.post("/api/batch", &json!({ "operations": operations }))
                .expect(200),
        );
        // The operator's export is a copy of what there is.
        assert_eq!(stored(&host, &path)["password"], SECRET);
    }
}

#[test]
fn a_replayed_answer_and_a_problem_tell_nothing_either() {
    for (host, path) in hosts() {
        let send = || {
            let request = host.api().request("POST", &path).header("idempotency-key", "k1");
            request.json(&ada()).send().expect(201)
        };
        hides(send());
        assert_eq!(hides(send()).header("idempotency-replayed"), Some("true"));
        let bad = json!({ "name": 7, "password": [SECRET] });
        let problem = host.post(&path, &bad).expect_problem(422, "invalid");
        assert!(!problem.text().contains(SECRET), "{}", problem.text());
    }
}

#[test]
fn what_a_schema_hides_since_is_not_in_a_replayed_answer() {
    let mut shown = schema();
    shown["properties"]["password"] = json!({ "type": "string" });
    for name in ["hooked", "probe"] {
        let plugin = Plugin::named(name).with_schema(&shown);
        let mut host = Host::init().with_plugin(&plugin).with_flag("--upgrade").start();
        let path = format!("/api/{name}");
        let operations = json!({ "operations": [{ "method": "POST", "path": path, "body": ada() }] });
        let send = |host: &Host, path: &str, body: &Value| {
            let request = host.api().request("POST", path).header("idempotency-key", "k1");
            request.json(body).send()
        };
        assert!(send(&host, &path, &ada()).expect(201).text().contains(SECRET));
        assert!(
            send(&host, "/api/batch", &operations)
                .expect(200)
                .text()
                .contains(SECRET)
        );
        let file = host.setup().plugins().join(name).join("schemas/of-the-test.json");
        fs::write(file, schema().to_string()).expect("a scratch directory takes files");
        host.restart();
        hides(host.get(&path).expect(200));
        for answer in [send(&host, &path, &ada()), send(&host, "/api/batch", &operations)] {
            assert_eq!(hides(answer).header("idempotency-replayed"), Some("true"));
        }
    }
}

#[test]
fn what_is_hidden_can_not_be_guessed_with_filters_and_sorts() {
    for (host, path) in hosts() {
        host.post(&path, &ada()).expect(201);
        for query in [
            format!("password={SECRET}"),
            "password[prefix]=s3".to_owned(),
            "password[gt]=s".to_owned(),
            "password[ne]=x&count=true".to_owned(),
            "maker.key[prefix]=s3".to_owned(),
            "sort=password".to_owned(),
            "sort=-maker.key".to_owned(),
            "sort=name,password".to_owned(),
        ] {
            host.get(&format!("{path}?{query}"))
                .expect_problem(400, "write_only_field");
            let operation = json!({ "method": "GET", "path": format!("{path}?{query}") });
            host.post("/api/batch", &json!({ "operations": [operation] }))
                .expect_problem(400, "write_only_field");
        }
        host.get(&format!("{path}?name=Ada&maker.name=Eve")).expect(200);
    }
}

#[test]
fn one_who_does_not_see_a_field_does_not_destroy_it() {
    for (host, path) in hosts() {
        let one = host.post(&path, &ada()).expect(201).location();
        let read = host.get(&one).expect(200).json();
        // Sent back as it was read.
        host.api().put(&one, &read).expect(200);
        let kept = stored(&host, &path);
        assert_eq!(
            (&kept["password"], &kept["maker"]["key"]),
            (&json!(SECRET), &json!(SECRET))
        );
        host.api()
            .patch(&one, &json!({ "name": "B", "maker": { "name": "C" } }))
            .expect(200);
        let kept = stored(&host, &path);
        assert_eq!(
            (&kept["password"], &kept["maker"]["key"]),
            (&json!(SECRET), &json!(SECRET))
        );
        // It can be set, and taken away by name.
        let patch = json!({ "password": "another", "maker": { "key": null } });
        host.api().patch(&one, &patch).expect(200);
        let kept = stored(&host, &path);
        assert_eq!(
            (&kept["password"], &kept["maker"]),
            (&json!("another"), &json!({ "name": "C" }))
        );
        host.api()
            .put(&one, &json!({ "name": "D", "password": "third" }))
            .expect(200);
        assert_eq!(stored(&host, &path)["password"], "third");
        // It is required, so it stays.
        host.api()
            .patch(&one, &json!({ "password": null }))
            .expect_problem(422, "invalid");
    }
}

#[test]
fn what_is_read_only_is_set_by_no_client() {
    for (host, path) in hosts() {
        let refused = |answer: Answer, pointer: &str| {
            let problem = answer.expect_problem(422, "invalid").json();
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        };
        let with = |field: &str, value: Value| {
            let mut body = ada();
            body[field] = value;
            body
        };
        for client in [host.api().clone(), host.operator()] {
            refused(client.post(&path, &with("score", json!(1))), "/score");
            refused(client.post(&path, &with("maker", json!({ "rank": 1 }))), "/maker/rank");
        }
        let one = host.post(&path, &ada()).expect(201).location();
        refused(host.api().put(&one, &with("score", json!(1))), "/score");
        refused(host.api().patch(&one, &json!({ "score": 1 })), "/score");
        refused(
            host.api().patch(&one, &json!({ "maker": { "rank": 1 } })),
            "/maker/rank",
        );
        let batch = json!({ "operations": [{ "method": "POST", "path": path, "body": with("score", json!(1)) }] });
        host.post("/api/batch", &batch).expect_problem(422, "invalid");
        assert_eq!(stored(&host, &path)["score"], Value::Null);
    }
}

/// A document that an import has brought with what no client sets.
fn imported(host: &Host, path: &str) -> String {
    let resource = path.trim_start_matches("/api/");
    let body = json!([{ "name": "Ada", "password": SECRET, "score": 7, "maker": { "rank": 3 } }]);
    let answer = host
        .admin()
        .post(&format!("/admin/api/import/{resource}"), &body)
        .expect(200);
    assert_eq!(answer.json()[0]["status"], 201, "{}", answer.text());
    let list = host.get(path).expect(200).json();
    format!("{path}/{}", list["items"][0]["id"].as_str().expect("an id"))
}

#[test]
fn an_import_sets_what_is_read_only_and_clients_keep_it() {
    for (host, path) in hosts() {
        let one = imported(&host, &path);
        let read = host.get(&one).expect(200).json();
        assert_eq!((&read["score"], &read["maker"]["rank"]), (&json!(7), &json!(3)));
        let keeps = |answer: Answer| {
            let now = answer.expect(200).json();
            assert_eq!((&now["score"], &now["maker"]["rank"]), (&json!(7), &json!(3)), "{now}");
        };
        keeps(host.api().put(&one, &read));
        keeps(host.api().put(&one, &json!({ "name": "B", "maker": {} })));
        keeps(host.api().patch(&one, &json!({ "name": "C", "score": 7 })));
        for patch in [
            json!({ "score": null }),
            json!({ "maker": null }),
            json!({ "maker": "x" }),
        ] {
            host.api().patch(&one, &patch).expect_problem(422, "invalid");
        }
        host.api()
            .put(&one, &json!({ "name": "D" }))
            .expect_problem(422, "invalid");
        keeps(host.get(&one));
    }
}

#[test]
fn nobody_assigns_what_is_the_hosts() {
    for (host, path) in hosts() {
        let one = host.post(&path, &ada()).expect(201);
        let before = one.json();
        for field in ["id", "owner", "created_at", "updated_at"] {
            let mut body = ada();
            body[field] = json!("0198c0de-0000-7000-8000-000000000001");
            host.post(&path, &body).expect_problem(422, "invalid");
            body["name"] = json!("B");
            let one = one.location();
            for answer in [host.api().put(&one, &body), host.api().patch(&one, &body)] {
                let now = answer.expect(200).json();
                for kept in ["id", "owner", "created_at"] {
                    assert_eq!(now[kept], before[kept], "{field}");
                }
            }
        }
        // Roles are no field of a document: they mean nothing there.
        let mut body = ada();
        body["roles"] = json!(["admin"]);
        host.post(&path, &body).expect(201);
        host.admin_as_anybody().get("/admin/api/accounts").expect(401);
    }
}

/// What the witness was shown when the document was changed.
fn witnessed(more: &str) -> (Host, Client, String) {
    let schema = json!({ "type": "object", "properties": { "authorization": { "writeOnly": true }, "current": {} } });
    let witness = Plugin::named("witness")
        .allowing(r#"{ list = "anyone", read = "anyone", create = "anyone", update = "anyone" }"#)
        .with_schema(&schema)
        .with_more(more);
    let host = Host::init()
        .with_plugin(&witness)
        .with_config("[request]\nheaders = [\"accept-language\"]\n")
        .start();
    let body = json!([{ "authorization": SECRET }]);
    host.admin().post("/admin/api/import/witness", &body).expect(200);
    let api = host.api().clone();
    let list = api.get("/api/witness").expect(200).json();
    let path = format!("/api/witness/{}", list["items"][0]["id"].as_str().expect("an id"));
    (host, api, path)
}

#[test]
fn a_plugin_sees_what_is_stored_and_hidden_only_where_its_manifest_says_so() {
    for (more, sees) in [("", false), ("\n[wants]\nwrite_only = [\"witness\"]\n", true)] {
        let (host, api, path) = witnessed(more);
        // What the client sends is shown: the plugin may have to check it.
        api.patch(&path, &json!({ "authorization": SECRET })).expect(200);
        let shown = api.patch(&path, &json!({ "x": 1 })).expect(200).json();
        let (current, next) = (
            shown["current"].as_str().unwrap_or_default(),
            shown["next"].as_str().unwrap_or_default(),
        );
        assert_eq!(current.contains("\"authorization\""), sees, "{shown}");
        assert_eq!(next.contains("\"authorization\""), sees, "{shown}");
        assert_eq!(stored(&host, "/api/witness")["authorization"], SECRET);
    }
}
