//! The shop of the README: real records imported through the catalog's hooks, and lists over them that agree with
//! plain code over the file.
//!
//! `PORTCULLIS_PACKAGES` names a larger file of the same kind as the sample.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use portcullis_tests::{Host, repository};
use serde_json::Value;

const RENAME: &str = "name=sku,summary=name,section=category,installed_kib=size_kib";

#[test]
fn every_record_is_imported_and_lists_agree_with_plain_code() {
    let file = packages();
    let host = Host::init().with_plugins(["catalog"]).start();
    import(&host, &file);
    let records = Records::read(&file, &host);
    for query in QUERIES {
        records.compare(&host, query);
    }
    // The sample is small enough to be searched without an index; the whole is not.
    let unindexed = "version[prefix]=1.&sort=version";
    let answer = host.get(&format!("/api/products?{unindexed}&limit=1000&count=true"));
    if records.all.len() > 10_000 {
        answer.expect_problem(422, "index_required");
    } else {
        let matching = |record: &Value| text(record, "version").starts_with("1.");
        let expected = records.all.iter().filter(|record| matching(record)).count();
        assert_eq!(answer.expect(200).json()["count"], expected);
    }
}

#[test]
fn a_bad_line_is_reported_with_its_number_and_the_rest_goes_on() {
    let host = Host::init().with_plugins(["catalog"]).start();
    let file = host.setup().directory().join("mixed.jsonl");
    let lines = [
        r#"{"name": "good", "summary": "Good"}"#,
        r#"{"name": "no name"}"#,
        r#"{"name": "broken", "#,
        r#"{"name": "good", "summary": "Taken"}"#,
        r#"{"name": "fine", "summary": "Fine"}"#,
    ];
    fs::write(&file, lines.join("\n")).expect("a scratch directory takes files");
    let output = host.import("products", &file, RENAME);
    assert!(!output.status.success(), "bad lines make the command fail");
    let said = String::from_utf8_lossy(&output.stderr);
    let reported = |line: u32| said.contains(&format!("line {line}:"));
    // Lines are imported many at a time, but of two with the same sku the first is taken.
    assert_eq!(
        [1, 2, 3, 4, 5].map(reported),
        [false, true, true, true, false],
        "{said}"
    );
    assert_eq!(host.get("/api/products?count=true").expect(200).json()["count"], 2);
}

/// One query, as a client asks it and as plain code answers it.
struct Query {
    asked: &'static str,
    keep: fn(&Value) -> bool,
    sort: &'static [(&'static str, bool)],
}

const UP: bool = false;
const DOWN: bool = true;

const QUERIES: &[Query] = &[
    Query {
        asked: "",
        keep: |_| true,
        sort: &[],
    },
    Query {
        asked: "category=games&sort=name",
        keep: |record| text(record, "category") == "games",
        sort: &[("name", UP)],
    },
    Query {
        asked: "category=libs&sort=-size_kib",
        keep: |record| text(record, "category") == "libs",
        sort: &[("size_kib", DOWN)],
    },
    Query {
        asked: "category=utils&size_kib[gte]=100&size_kib[lt]=1000&sort=size_kib",
        keep: |record| text(record, "category") == "utils" && (100..1_000).contains(&size(record)),
        sort: &[("size_kib", UP)],
    },
    Query {
        asked: "category[in]=net,doc,shells&sort=name",
        keep: |record| ["net", "doc", "shells"].contains(&text(record, "category")),
        sort: &[("name", UP)],
    },
    Query {
        asked: "sort=-size_kib",
        keep: |_| true,
        sort: &[("size_kib", DOWN)],
    },
    Query {
        asked: "size_kib[gt]=5000&sort=size_kib",
        keep: |record| size(record) > 5_000,
        sort: &[("size_kib", UP)],
    },
    Query {
        asked: "name[prefix]=GNU&sort=-name",
        keep: |record| text(record, "name").starts_with("GNU"),
        sort: &[("name", DOWN)],
    },
    Query {
        asked: "tags=role::program",
        keep: |record| tags(record).any(|tag| tag == "role::program"),
        sort: &[],
    },
    Query {
        asked: "tags=role::program&category=games&sort=-name",
        keep: |record| tags(record).any(|tag| tag == "role::program") && text(record, "category") == "games",
        sort: &[("name", DOWN)],
    },
    Query {
        asked: "maintainer=Debian%20Games%20Team",
        keep: |record| text(record, "maintainer") == "Debian Games Team",
        sort: &[],
    },
    Query {
        asked: "price_cents[gte]=0&sort=-price_cents",
        keep: |record| record["price_cents"].is_u64(),
        sort: &[("price_cents", DOWN)],
    },
    Query {
        asked: "category=nothing",
        keep: |_| false,
        sort: &[],
    },
];

/// The records of a file, renamed as the import does it, with the ids that the host gave them.
struct Records {
    all: Vec<Value>,
}

impl Records {
    /// Reads the file, and checks that the host has each record with nothing lost.
    fn read(file: &Path, host: &Host) -> Self {
        let mut stored: BTreeMap<String, Value> = pages(host, "")
            .into_iter()
            .map(|product| (text(&product, "sku").to_owned(), product))
            .collect();
        let lines = fs::read_to_string(file).expect("the records can be read");
        let mut all = Vec::new();
        for line in lines.lines() {
            let mut record = renamed(line);
            let product = stored
                .remove(text(&record, "sku"))
                .unwrap_or_else(|| panic!("lost: {line}"));
            for (name, value) in record.as_object().expect("a record is an object") {
                assert_eq!(product[name], *value, "{name} of {line}");
            }
            record["id"] = product["id"].clone();
            all.push(record);
        }
        assert!(
            stored.is_empty(),
            "the host has products that are not in the file: {:?}",
            stored.keys()
        );
        Self { all }
    }

    /// Asks the host, page by page, and compares with what plain code makes of the file.
    fn compare(&self, host: &Host, query: &Query) {
        let mut expected: Vec<&Value> = self.all.iter().filter(|record| (query.keep)(record)).collect();
        expected.sort_by(|one, other| in_order(one, other, query.sort));
        let found = pages(host, query.asked);
        let skus = |products: &[&Value]| {
            products
                .iter()
                .map(|product| text(product, "sku").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            skus(&found.iter().collect::<Vec<_>>()),
            skus(&expected),
            "{}",
            query.asked
        );
        let counted = host
            .get(&format!("/api/products?{}&limit=1&count=true", query.asked))
            .expect(200)
            .json();
        assert_eq!(counted["count"], expected.len(), "{}", query.asked);
    }
}

/// All pages of a list, through the cursors.
fn pages(host: &Host, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = host
            .get(&format!("/api/products?{query}&limit=173&cursor={cursor}"))
            .expect(200)
            .json();
        let items = page["items"].as_array_mut().expect("a list has items");
        assert!(items.len() <= 173);
        all.append(items);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return all,
        }
    }
}

/// By the sort keys, then by id in the direction of the last of them. Nothing is less than something.
fn in_order(one: &Value, other: &Value, sort: &[(&str, bool)]) -> Ordering {
    let last = sort.last().map_or(UP, |(_, down)| *down);
    for (field, down) in sort.iter().chain([&("id", last)]) {
        let (one, other) = (&one[*field], &other[*field]);
        let ordering = match (one.as_u64(), other.as_u64()) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.as_str().cmp(&other.as_str()),
        };
        let ordering = if *down { ordering.reverse() } else { ordering };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The record of a line, its fields named and its tags sorted as in the shop.
fn renamed(line: &str) -> Value {
    let mut record: Value = serde_json::from_str(line).expect("a line is JSON");
    let fields = record.as_object_mut().expect("a record is an object");
    for (from, to) in RENAME.split(',').filter_map(|pair| pair.split_once('=')) {
        let value = fields.remove(from).unwrap_or_else(|| panic!("no {from} in {line}"));
        fields.insert(to.to_owned(), value);
    }
    if let Some(tags) = fields.get_mut("tags").and_then(Value::as_array_mut) {
        // As the catalog normalises them.
        for tag in tags.iter_mut() {
            *tag = Value::from(tag.as_str().unwrap_or_default().trim().to_lowercase());
        }
        tags.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        tags.dedup();
    }
    record
}

fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

fn size(record: &Value) -> u64 {
    record["size_kib"].as_u64().unwrap_or_default()
}

fn tags(record: &Value) -> impl Iterator<Item = &str> {
    record["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn packages() -> PathBuf {
    let sample = || repository().join("plugins/catalog/sample/products.jsonl");
    env::var_os("PORTCULLIS_PACKAGES").map_or_else(sample, PathBuf::from)
}

fn import(host: &Host, file: &Path) {
    let output = host.import("products", file, RENAME);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
