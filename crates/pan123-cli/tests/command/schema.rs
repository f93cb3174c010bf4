//! Checks objects against `schema.json`, as far as that file uses JSON Schema. Keys that it does not name are faults, too.

use std::sync::LazyLock;

use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("../../schema.json");

static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    match schema["$defs"].take() {
        Value::Object(definitions) => definitions,
        other => panic!("no definitions: {other}"),
    }
});

/// Checks an object that the command printed: its `type` names its definition.
#[track_caller]
pub(crate) fn check(object: &Value) {
    let name = object["type"].as_str().unwrap_or_default();
    let Some(definition) = DEFINITIONS.get(name) else {
        panic!("the schema has no type {name:?}: {object}");
    };
    if let Err(fault) = fits(object, definition) {
        panic!("{fault}: {object}");
    }
}

fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    for (keyword, allowed) in schema.as_object().ok_or("a schema is an object")? {
        match keyword.as_str() {
            "description" | "format" => {}
            "$ref" => fits(value, referred(allowed))?,
            "const" => require(value == allowed, || format!("{value} is not {allowed}"))?,
            "enum" => {
                let values = allowed.as_array().ok_or("`enum` is a list")?;
                require(values.contains(value), || {
                    format!("{value} is none of {allowed}")
                })?;
            }
            "type" => {
                let is_one = match allowed {
                    Value::Array(names) => names.iter().any(|name| is_of_type(value, name)),
                    name => is_of_type(value, name),
                };
                require(is_one, || format!("{value} is no {allowed}"))?;
            }
            "minimum" => {
                let least = value.as_f64() >= allowed.as_f64();
                require(least, || format!("{value} is less than {allowed}"))?;
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                items.into_iter().try_for_each(|item| fits(item, allowed))?;
            }
            "required" => {
                for key in allowed.as_array().ok_or("`required` is a list")? {
                    let key = key.as_str().unwrap_or_default();
                    require(value.get(key).is_some(), || format!("{key:?} is missing"))?;
                }
            }
            "properties" => {
                for (key, part) in value.as_object().into_iter().flatten() {
                    let part_schema = allowed.get(key);
                    let part_schema = part_schema.ok_or_else(|| format!("{key:?} is unknown"))?;
                    fits(part, part_schema).map_err(|fault| format!("{key}: {fault}"))?;
                }
            }
            other => return Err(format!("the keyword {other:?} is not understood")),
        }
    }
    Ok(())
}

fn require(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

fn referred(reference: &Value) -> &'static Value {
    let name = reference
        .as_str()
        .and_then(|it| it.strip_prefix("#/$defs/"));
    name.and_then(|name| DEFINITIONS.get(name))
        .unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("null") => value.is_null(),
        _ => panic!("{name} is no type"),
    }
}

#[test]
fn every_printed_type_is_defined_and_offered() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let offered = schema["oneOf"].as_array().unwrap();
    for (name, definition) in &*DEFINITIONS {
        let Some(kind) = definition["properties"].get("type") else {
            continue;
        };
        assert_eq!(kind["const"], **name, "{name}");
        let reference = format!("#/$defs/{name}");
        assert!(offered.iter().any(|it| it["$ref"] == *reference), "{name}");
    }
    assert!(fits(&Value::from(1), &DEFINITIONS["error"]).is_err());
}

#[test]
fn object_that_does_not_fit_is_found() {
    let error = |text: &str| fits(&serde_json::from_str(text).unwrap(), &DEFINITIONS["error"]);
    error(r#"{"type":"error","exit":3,"message":"m"}"#).unwrap();
    for text in [
        r#"{"type":"error","exit":3}"#,
        r#"{"type":"error","exit":"3","message":"m"}"#,
        r#"{"type":"error","exit":7,"message":"m"}"#,
        r#"{"type":"error","exit":3,"message":"m","more":1}"#,
        r#"{"type":"other","exit":3,"message":"m"}"#,
    ] {
        error(text).unwrap_err();
    }
}
