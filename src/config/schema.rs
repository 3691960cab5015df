//! The JSON Schema of the branch config: printed for editors, and what [`super::shape`] checks against.

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::File;

/// Returns the JSON Schema (2020-12) of the branch config.
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// The schema, made once.
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(schema_of::<File>);

/// Makes the schema of a file's type: without references, and without null.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    drop_null(&mut schema);
    schema
}

/// Takes null out of every type and default: a key is left out, never empty.
fn drop_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|name, value| !(name == "default" && value.is_null()));
            if let Some(defaults) = members.get_mut("default").and_then(Value::as_object_mut) {
                defaults.retain(|_, value| !value.is_null());
            }
            if let Some(nullable) = members.get("anyOf").and_then(only_other_than_null) {
                members.remove("anyOf");
                for (name, value) in nullable {
                    members.entry(name).or_insert(value);
                }
            }
            if let Some(types) = members.get_mut("type") {
                drop_null_type(types);
            }
            members.values_mut().for_each(drop_null);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null),
        _ => {}
    }
}

/// Returns the one alternative that is not null.
fn only_other_than_null(alternatives: &Value) -> Option<serde_json::Map<String, Value>> {
    let others = alternatives.as_array()?.iter().filter(|schema| schema["type"] != "null");
    match others.collect::<Vec<_>>().as_slice() {
        [only] => only.as_object().cloned(),
        _ => None,
    }
}

fn drop_null_type(types: &mut Value) {
    let Some(list) = types.as_array_mut() else { return };
    list.retain(|name| name != "null");
    if let [only] = list.as_slice() {
        *types = only.clone();
    }
}
