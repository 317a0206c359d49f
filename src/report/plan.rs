//! Plans, for people, for programs and for pull requests.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::provision::plan::{Action, Change, Disruption, FieldChange, Plan};

const CREATE: Style = AnsiColor::Green.on_default();
const UPDATE: Style = AnsiColor::Yellow.on_default();
const DELETE: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

fn style(action: Action) -> Style {
    match action {
        Action::Create => CREATE,
        Action::Update => UPDATE,
        Action::Replace | Action::Delete => DELETE,
    }
}

fn sign(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Update => "~",
        Action::Replace => "±",
        Action::Delete => "-",
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
    }
}

fn disruption(disruption: Disruption) -> Option<&'static str> {
    match disruption {
        Disruption::None => None,
        Disruption::NewConnections => Some("affects new connections"),
        Disruption::DropsConnections => Some("drops connections"),
    }
}

/// How many resources of a plan are created, updated, replaced and deleted.
struct Counts([(Action, usize); 4]);

impl Counts {
    fn of(plan: &Plan) -> Self {
        Self(
            [Action::Create, Action::Update, Action::Replace, Action::Delete]
                .map(|action| (action, plan.changes.iter().filter(|change| change.action == action).count())),
        )
    }

    fn text(&self) -> String {
        let parts = self.0.map(|(action, count)| format!("{count} to {}", word(action)));
        parts.join(", ")
    }
}

/// Returns the plan for people: aligned, coloured, unchanged fields left out.
pub(crate) fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for warning in &plan.warnings {
        let _ = writeln!(text, "{UPDATE}warning:{UPDATE:#} {warning}");
    }
    if plan.changes.is_empty() {
        let _ = writeln!(text, "No changes: {} in {} is as its spec says.", plan.stack, plan.region);
        return text;
    }
    let _ = writeln!(text, "{BOLD}{}{BOLD:#} in {}\n", plan.stack, plan.region);
    for change in &plan.changes {
        change_text(change, &mut text);
    }
    let _ = writeln!(text, "\n{BOLD}Plan:{BOLD:#} {}.", Counts::of(plan).text());
    if let Some(worst) = plan.changes.iter().map(|change| change.disruption).max().and_then(disruption) {
        let _ = writeln!(text, "{UPDATE}This plan {worst}.{UPDATE:#}");
    }
    text
}

fn change_text(change: &Change, text: &mut String) {
    let style = style(change.action);
    let _ = write!(text, "  {style}{} {}{style:#}", sign(change.action), change.resource);
    if let Some(disruption) = disruption(change.disruption) {
        let _ = write!(text, "  {UPDATE}({disruption}){UPDATE:#}");
    }
    text.push('\n');
    if let Some(reason) = &change.reason {
        let _ = writeln!(text, "      {DIM}{reason}{DIM:#}");
    }
    let width = change.fields.iter().map(|field| field.path.chars().count()).max().unwrap_or_default();
    for field in &change.fields {
        let _ = writeln!(text, "      {:width$}  {}", field.path, before_and_after(field));
    }
}

fn before_and_after(field: &FieldChange) -> String {
    match (&field.from, &field.to) {
        (Value::Null, to) => shown(to),
        (from, Value::Null) => shown(from),
        (from, to) => format!("{} {DIM}→{DIM:#} {}", shown(from), shown(to)),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Returns the plan for programs, in the format that docs/cli.md describes.
pub(crate) fn json(plan: &Plan) -> Value {
    let Counts([create, update, replace, delete]) = Counts::of(plan);
    json!({
        "format": 1,
        "stack": plan.stack,
        "region": plan.region,
        "changes": plan.changes,
        "warnings": plan.warnings,
        "summary": { "create": create.1, "update": update.1, "replace": replace.1, "delete": delete.1 },
    })
}

/// Returns the plan for a pull request's comment.
pub(crate) fn markdown(plan: &Plan) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "### elbws plan: `{}` in {}\n", plan.stack, plan.region);
    for warning in &plan.warnings {
        let _ = writeln!(text, "> **Warning:** {}\n", escaped(warning));
    }
    if plan.changes.is_empty() {
        text.push_str("No changes.\n");
        return text;
    }
    let _ = writeln!(text, "**{}**\n", Counts::of(plan).text());
    text.push_str("| | resource | live connections | what changes |\n|---|---|---|---|\n");
    for change in &plan.changes {
        let fields: Vec<String> = change.fields.iter().map(field_markdown).collect();
        let reason = change.reason.iter().map(|reason| format!("_{}_", escaped(reason)));
        let cell: Vec<String> = reason.chain(fields).collect();
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} |",
            word(change.action),
            change.resource,
            disruption(change.disruption).unwrap_or("unaffected"),
            cell.join("<br>"),
        );
    }
    text
}

fn field_markdown(field: &FieldChange) -> String {
    let code = |value: &Value| format!("`{}`", escaped(&shown(value)));
    match (&field.from, &field.to) {
        (Value::Null, to) => format!("{}: {}", field.path, code(to)),
        (from, Value::Null) => format!("{}: ~~{}~~", field.path, code(from)),
        (from, to) => format!("{}: {} → {}", field.path, code(from), code(to)),
    }
}

/// Keeps text from ending a table's cell or a code span.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('`', "'").replace(['\n', '\r'], " ")
}
