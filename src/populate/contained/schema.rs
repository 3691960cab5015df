//! The JSON Schemas of the contract's two files, made from the types that are written and read.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::output::ResultFile;
use super::request::Request;

/// Returns the JSON Schema (2020-12) of `/lockkeeper/request.json`.
pub fn request_schema() -> Value {
    schema_of::<Request>()
}

/// Returns the JSON Schema (2020-12) of `/output/result.json`.
pub fn result_schema() -> Value {
    schema_of::<ResultFile>()
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
