//! Tests of the XML mapping.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn xml(body: &str) -> Result<Value, String> {
    from_xml(body.as_bytes()).map_err(|error| error.to_string())
}

fn inside(body: &str) -> Result<Value, String> {
    xml(&format!("<map xmlns='{NAMESPACE}'>{body}</map>"))
}

#[test]
fn each_type_has_its_element() {
    let value = json!({"name": "A & B", "price": 1.5, "sold": true, "maker": null, "tags": ["x", 2], "size": {"w": 1}});
    let written = to_xml(&value);
    assert_eq!(
        written,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<map xmlns=\"http://www.w3.org/2005/xpath-functions\">\
         <string key=\"name\">A &amp; B</string><number key=\"price\">1.5</number><boolean key=\"sold\">true</boolean>\
         <null key=\"maker\"/><array key=\"tags\"><string>x</string><number>2</number></array>\
         <map key=\"size\"><number key=\"w\">1</number></map></map>"
    );
    assert_eq!(xml(&written), Ok(value));
}

#[test]
fn what_xml_cannot_hold_is_escaped_as_in_json() {
    let value = json!({"a\u{1}\"\\": "\u{0}\\n\"\r\n\t\u{ffff}"});
    let written = to_xml(&value);
    assert!(
        written.contains("escaped-key=\"true\" key=\"a\\u0001\\&quot;\\\\\""),
        "{written}"
    );
    assert!(
        written.contains("escaped=\"true\">\\u0000\\\\n\\\"&#13;\n\t\\uffff<"),
        "{written}"
    );
    assert_eq!(xml(&written), Ok(value));
}

#[test]
fn prefixes_comments_and_cdata_are_understood() {
    let document = format!(
        "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<!-- hello -->\n<j:map xmlns:j='{NAMESPACE}'>\n  \
         <j:string key='a'>x<!-- - -->&lt;&#x41;<![CDATA[<y>]]></j:string>\n  <j:null key='b'></j:null>\n</j:map>\n"
    );
    assert_eq!(xml(&document), Ok(json!({"a": "x<A<y>", "b": null})));
}

#[test]
fn line_ends_are_normalised() {
    assert_eq!(
        inside("<string key='a'>x\r\ny\rz&#13;</string>"),
        Ok(json!({"a": "x\ny\nz\r"}))
    );
}

#[test]
fn entity_bombs_are_refused_before_anything_expands() {
    let bomb = "<?xml version='1.0'?><!DOCTYPE b [<!ENTITY a 'ha'><!ENTITY c '&a;&a;&a;&a;'>]><map>&c;</map>";
    assert_eq!(xml(bomb), Err("a document type declaration is not allowed".into()));
    let external = "<!DOCTYPE map SYSTEM 'file:///etc/passwd'><map/>";
    assert_eq!(xml(external), Err("a document type declaration is not allowed".into()));
    assert_eq!(
        inside("<string key='a'>&xxe;</string>"),
        Err("`&xxe;` is not allowed".into())
    );
    assert!(inside("<string key='&xxe;'/>").is_err());
}

#[test]
fn processing_instructions_and_late_declarations_are_refused() {
    assert_eq!(
        inside("<?php echo 1 ?>"),
        Err("processing instructions are not allowed".into())
    );
    assert_eq!(
        inside("<string key='a'><?x y?></string>"),
        Err("processing instructions are not allowed".into())
    );
    assert!(inside("<?xml version='1.0'?>").is_err());
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "<array>".repeat(depth), "</array>".repeat(depth));
    let document = |depth| xml(&nested(depth).replacen("<array>", &format!("<array xmlns='{NAMESPACE}'>"), 1));
    assert!(document(MAX_DEPTH).is_ok());
    assert_eq!(
        document(MAX_DEPTH + 1),
        Err("the document is nested deeper than 64 levels".into())
    );
    assert!(document(100_000).is_err());
}

#[test]
fn attributes_and_declarations_are_bounded() {
    let attributes: String = (0..1000).map(|number| format!(" p:a{number}=''")).collect();
    assert!(inside(&format!("<string key='a'{attributes}/>")).is_err());
    let declarations: String = (0..1000).map(|number| format!(" xmlns:a{number}='u'")).collect();
    assert!(inside(&format!("<string key='a'{declarations}/>")).is_err());
}

#[test]
fn what_is_not_the_mapping_is_refused() {
    for bad in [
        "",
        "text",
        "<map/>",
        "<map xmlns='urn:other'/>",
        &format!("<product xmlns='{NAMESPACE}'/>"),
        &format!("<null xmlns='{NAMESPACE}'/><null xmlns='{NAMESPACE}'/>"),
        &format!("<map xmlns='{NAMESPACE}'>"),
        &format!("<map xmlns='{NAMESPACE}'></array>"),
        &format!("<?xml version='1.0' encoding='utf-16'?><map xmlns='{NAMESPACE}'/>"),
    ] {
        assert!(xml(bad).is_err(), "{bad}");
    }
    for bad in [
        "text",
        "<string>x</string>",
        "<string key='a'/><string key='a'/>",
        "<string key='a' key='b'/>",
        "<string key='a' colour='red'/>",
        "<number key='a' escaped='true'>1</number>",
        "<string key='a'><null/></string>",
        "<string key='a' escaped='true'>\\x</string>",
        "<string key='a' escaped='true'>\\ud800</string>",
        "<string key='a'>&#0;</string>",
        "<string key='a'>&#1;</string>",
        "<string key='a\u{1}'/>",
        "<null key='a'>x</null>",
        "<boolean key='a'>yes</boolean>",
        "<number key='a'>NaN</number>",
        "<number key='a'>0x10</number>",
        "<number key='a'>1e999</number>",
        "<array key='a'>1</array>",
    ] {
        assert!(inside(bad).is_err(), "{bad}");
    }
    assert!(from_xml(b"<map xmlns='http://www.w3.org/2005/xpath-functions'>\xff</map>").is_err());
}

#[test]
fn problems_are_written_as_the_standard_shows() {
    let details = json!({"type": "about:blank", "status": 422, "errors": [{"pointer": "/a", "message": "<b>\u{1}"}]});
    assert_eq!(
        problem(details.as_object().unwrap()),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<problem xmlns=\"urn:ietf:rfc:7807\"><type>about:blank</type>\
         <status>422</status><errors><i><pointer>/a</pointer><message>&lt;b&gt;\u{fffd}</message></i></errors></problem>"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![any::<String>(), "[\\x00-\\x20\\\\\"&<>']{0,8}"];
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from)
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_survives_the_way_through_xml(value in any_json()) {
        prop_assert_eq!(from_xml(to_xml(&value).as_bytes()), Ok(value));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = from_xml(&bytes);
    }

    #[test]
    fn no_near_miss_makes_it_panic(text in "(<(/|!|\\?)?(map|string|array|!\\[CDATA\\[|--)?( key='[a&;]*')?/?>?|&#?[a-z0-9]*;?|[a-z\\]> ]){0,30}") {
        let _ = inside(&text);
    }
}
