//! Files of cases: what is expected of policy, checked one by one.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::answer::Answer;
use super::installation::Installation;
use super::question::Question;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::manifest::{Source, read_text, unknown};

/// The largest file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// What a case may expect.
const DECISIONS: [&str; 2] = ["allow", "deny"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "case")]
    cases: Vec<Spanned<Case>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    principal: Words,
    action: String,
    resource: String,
    owner: Option<String>,
    document: Option<toml::Table>,
    expect: Spanned<String>,
}

/// One text, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

/// A case that can be checked.
struct Checked {
    line: usize,
    name: String,
    expected: bool,
    answer: Answer,
}

/// Checks all cases of a file, and shows those that are otherwise.
pub(super) fn run(installation: &Installation, path: &Path, output: &Output) -> Result<(), Failure> {
    let text = read_text(path, MAX_FILE_BYTES)?;
    let name = path.display().to_string();
    let mut source = Source::new(&name, &text);
    let file: File = source
        .parse()
        .map_err(|complaints| Failure::Failed(complaints.to_string()))?;
    let mut checked = Vec::new();
    for case in file.cases {
        checked.extend(check(installation, &text, case, &mut source)?);
    }
    let checked = source
        .finish(checked)
        .map_err(|complaints| Failure::Failed(complaints.to_string()))?;
    if checked.is_empty() {
        return Err(Failure::Failed(format!("{name} has no [[case]]")));
    }
    let wrong: Vec<&Checked> = checked
        .iter()
        .filter(|case| case.answer.is_allowed() != case.expected)
        .collect();
    let value = json!({
        "cases": checked.len(),
        "failed": wrong.iter().map(|case| described(case)).collect::<Vec<_>>(),
    });
    output.print(&value, |_| said(&name, checked.len(), &wrong))?;
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// The case with its answer; nothing where the file is wrong about it, which `source` is told.
fn check(
    installation: &Installation,
    text: &str,
    case: Spanned<Case>,
    source: &mut Source<'_>,
) -> Result<Option<Checked>, Failure> {
    let span = case.span();
    let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
    let case = case.into_inner();
    if !DECISIONS.contains(&case.expect.get_ref().as_str()) {
        let (message, help) = unknown("decision", case.expect.get_ref(), &DECISIONS);
        source.complain(case.expect.span(), message, help);
        return Ok(None);
    }
    let principal = match case.principal {
        Words::One(word) => vec![word],
        Words::Several(words) => words,
    };
    let document = case
        .document
        .map(|table| serde_json::to_value(table).unwrap_or(Value::Null));
    let question = Question::of(
        &principal,
        &case.action,
        &case.resource,
        case.owner.as_deref(),
        document,
    );
    let question = match question {
        Ok(question) => question,
        Err(message) => {
            source.complain(span.start..span.start, message, None);
            return Ok(None);
        }
    };
    Ok(Some(Checked {
        line,
        name: case
            .name
            .unwrap_or_else(|| format!("{} {}", case.action, case.resource)),
        expected: case.expect.get_ref() == "allow",
        answer: Answer::to(&question, installation)?,
    }))
}

fn word(allowed: bool) -> &'static str {
    DECISIONS[usize::from(!allowed)]
}

fn described(case: &Checked) -> Value {
    json!({ "line": case.line, "name": case.name, "expected": word(case.expected), "answer": case.answer.json() })
}

fn said(file: &str, cases: usize, wrong: &[&Checked]) -> String {
    let mut text = String::new();
    for case in wrong {
        let answer = case.answer.to_string().replace('\n', "\n  ");
        text.push_str(&format!(
            "{file}:{}  {}\n- expected {}\n+ {answer}\n\n",
            case.line,
            case.name,
            word(case.expected)
        ));
    }
    match wrong.len() {
        0 => text.push_str(&format!("all {cases} cases are as expected")),
        wrong => text.push_str(&format!("{wrong} of {cases} cases are not as expected")),
    }
    text
}
