//! The wire: XML-RPC as Koji speaks it, bytes to values and back.
//!
//! Koji adds `<nil/>` and `<i8>`, takes optional arguments as a last struct with `__starstar` true, and answers
//! every fault with HTTP 200.

use std::collections::BTreeMap;

use dxr::{FaultResponse, MethodCall, MethodResponse};

pub(super) use dxr::Value;

/// How deep values may lie in each other; ours and Koji's stay below ten. The parser underneath calls itself for each
/// level, so an answer that is nested without end would take the process with it.
const DEEPEST: usize = 64;

/// A fault that the hub answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HubFault {
    /// Koji's number for it.
    pub(super) code: i64,
    /// Its words.
    pub(super) words: String,
}

impl HubFault {
    /// The hub is down for maintenance, and nothing was done.
    pub(super) const OFFLINE: i64 = 1014;
    /// The session has expired.
    pub(super) const EXPIRED: i64 = 1007;
    /// A call came out of turn: an earlier answer was lost.
    pub(super) const SEQUENCE: i64 = 1008;
    /// The session is not known: the hub lost it.
    pub(super) const AUTH: i64 = 1002;
    /// Words without a class of their own.
    pub(super) const GENERIC: i64 = 1000;
}

/// One call, to be sent by itself or within a `multiCall`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Vec<Value>,
}

impl Call {
    pub(super) fn new(method: &'static str, params: impl Into<Vec<Value>>) -> Call {
        Call { method, params: params.into() }
    }

    /// Adds optional arguments.
    pub(super) fn with<const N: usize>(mut self, optional: [(&str, Value); N]) -> Call {
        let starstar = [("__starstar", Value::Boolean(true))];
        self.params.push(record(optional.into_iter().chain(starstar)));
        self
    }

    /// Returns the request's body.
    pub(super) fn body(&self) -> Result<String, String> {
        let call = MethodCall { name: self.method.into(), params: self.params.clone() };
        let xml = call.to_xml().map_err(|error| error.to_string())?;
        Ok(format!("<?xml version='1.0'?>\n{xml}"))
    }

    /// Packs calls into one.
    pub(super) fn many(calls: Vec<Call>) -> Call {
        let pack = |call: Call| {
            let (method, params) = (text(call.method), Value::Array(call.params));
            record([("methodName", method), ("params", params)])
        };
        let calls = calls.into_iter().map(pack).collect();
        Call::new("multiCall", [Value::Array(calls)])
    }
}

/// Reads an answer.
///
/// # Errors
/// Words, where it is none.
pub(super) fn answer(body: &str) -> Result<Result<Value, HubFault>, String> {
    if depth(body) > DEEPEST {
        return Err("values lie too deep in each other".to_owned());
    }
    match MethodResponse::from_xml(body) {
        Ok(response) => Ok(Ok(response.value)),
        Err(_) => fault(body).map(Err),
    }
}

fn fault(body: &str) -> Result<HubFault, String> {
    let response = FaultResponse::from_xml(body).map_err(|_| "it is no XML-RPC".to_owned())?;
    let fault = response.fault;
    Ok(HubFault { code: i64::from(fault.code()), words: fault.string().to_owned() })
}

/// Unpacks the answers of a `multiCall`.
///
/// # Errors
/// Words, where it is not one answer for each call.
pub(super) fn answers(value: Value, asked: usize) -> Result<Vec<Result<Value, HubFault>>, String> {
    let Value::Array(items) = value else { return Err("multiCall answered no list".to_owned()) };
    if items.len() != asked {
        return Err(format!("multiCall answered {} of {asked} calls", items.len()));
    }
    items.into_iter().map(item).collect()
}

fn item(value: Value) -> Result<Result<Value, HubFault>, String> {
    match value {
        Value::Array(mut one) if one.len() == 1 => Ok(Ok(one.remove(0))),
        fault @ Value::Struct(_) => {
            let (code, words) = (fault.get("faultCode"), fault.get("faultString"));
            let code = code.whole().ok_or("a fault without a number")?;
            Ok(Err(HubFault { code, words: words.words().unwrap_or_default().to_owned() }))
        }
        _ => Err("multiCall answered neither a value nor a fault".to_owned()),
    }
}

/// Returns how many `<value>` elements are open at most. Only through these can values lie in each other.
fn depth(body: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for (at, _) in body.match_indices("value") {
        let (before, after) = (&body.as_bytes()[..at], &body.as_bytes()[at + "value".len()..]);
        match (before, after) {
            ([.., b'<'], [b'/', ..]) => {}
            ([.., b'<'], _) => open += 1,
            ([.., b'<', b'/'], _) => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// Returns a text value.
pub(super) fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

/// Returns a number as Koji writes it: `<int>` where it fits, else `<i8>`.
pub(super) fn number(number: i64) -> Value {
    i32::try_from(number).map_or(Value::Long(number), Value::Integer)
}

/// Returns a struct.
pub(super) fn record<'k>(fields: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
    Value::Struct(fields.collect::<BTreeMap<_, _>>())
}

/// Reads values whose form is the other side's word only: what is missing or of another form is `None`.
pub(super) trait Look {
    /// Returns a field of a struct; nil where there is none.
    fn get(&self, key: &str) -> &Value;
    /// Returns an item of a list; nil where there is none.
    fn at(&self, index: usize) -> &Value;
    /// Returns a whole number; Koji writes some of them as text.
    fn whole(&self) -> Option<i64>;
    /// Returns a text that is not empty.
    fn words(&self) -> Option<&str>;
    /// Tells whether it is something.
    fn is_some(&self) -> bool;
    /// Tells whether it is true.
    fn is_true(&self) -> bool;
    /// Returns the items of a list; none where it is none.
    fn items(&self) -> &[Value];
    /// Returns the fields of a struct; none where it is none.
    fn fields(&self) -> Box<dyn Iterator<Item = (&str, &Value)> + '_>;
}

const NIL: Value = Value::Nil;

impl Look for Value {
    fn get(&self, key: &str) -> &Value {
        match self {
            Value::Struct(fields) => fields.get(key).unwrap_or(&NIL),
            _ => &NIL,
        }
    }

    fn at(&self, index: usize) -> &Value {
        self.items().get(index).unwrap_or(&NIL)
    }

    fn whole(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(i64::from(*number)),
            Value::Long(number) => Some(*number),
            Value::String(digits) => digits.trim().parse().ok(),
            _ => None,
        }
    }

    fn words(&self) -> Option<&str> {
        match self {
            Value::String(words) if !words.is_empty() => Some(words),
            _ => None,
        }
    }

    fn is_some(&self) -> bool {
        *self != Value::Nil
    }

    fn is_true(&self) -> bool {
        matches!(self, Value::Boolean(true)) || self.whole() == Some(1)
    }

    fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    fn fields(&self) -> Box<dyn Iterator<Item = (&str, &Value)> + '_> {
        match self {
            Value::Struct(fields) => Box::new(fields.iter().map(|(key, value)| (&**key, value))),
            _ => Box::new(std::iter::empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(value: &str) -> String {
        format!(
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n{value}\n</param>\n</params>\n</methodResponse>\n"
        )
    }

    fn read(value: &str) -> Value {
        answer(&wrapped(value)).unwrap().unwrap()
    }

    #[test]
    fn values_are_read_as_koji_writes_them() {
        assert_eq!(read("<value><nil/></value>"), Value::Nil);
        assert_eq!(read("<value><i8>5000000000</i8></value>").whole(), Some(5_000_000_000));
        assert_eq!(read("<value><string>8192</string></value>").whole(), Some(8192));
        assert_eq!(read("<value><string></string></value>").words(), None);
        assert!(read("<value><boolean>1</boolean></value>").is_true());
        let list = "<value><array><data>\n<value><int>7</int></value>\n</data></array></value>";
        assert_eq!(read(list).at(0).whole(), Some(7));
        assert_eq!(read(list).at(1), &Value::Nil);
        let record = "<value><struct>\n<member>\n<name>a</name>\n<value><int>1</int></value>\n</member>\n</struct></value>";
        assert_eq!(read(record).get("a").whole(), Some(1));
        assert_eq!(read(record).get("b"), &Value::Nil);
        assert_eq!(read("<value><struct>\n</struct></value>").fields().count(), 0);
        assert_eq!(read("<value><array><data>\n</data></array></value>").items().len(), 0);
        let words = "<value><string>a &lt;b&gt; &amp; \u{fc}\nnext</string></value>";
        assert_eq!(read(words).words(), Some("a <b> & \u{fc}\nnext"));
    }

    #[test]
    fn a_fault_is_told_from_a_value_and_from_nonsense() {
        let fault = "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value><int>1007</int></value>\n</member>\n<member>\n<name>faultString</name>\n<value><string>session &quot;1&quot; has expired</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n";
        let words = "session \"1\" has expired".to_owned();
        assert_eq!(answer(fault), Ok(Err(HubFault { code: 1007, words })));
        for nonsense in ["", "<html>", "{}", "<methodResponse></methodResponse>"] {
            assert!(answer(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn an_answer_that_is_nested_without_end_is_refused() {
        let deep = |levels: usize| {
            let (open, close) = ("<value><array><data>", "</data></array></value>");
            wrapped(&format!(
                "{}<value><int>1</int></value>{}",
                open.repeat(levels),
                close.repeat(levels)
            ))
        };
        assert!(answer(&deep(20)).is_ok());
        assert!(answer(&deep(100_000)).is_err());
        assert!(answer(&deep(100_000).replace("<value>", "<value >")).is_err());
        let many = wrapped(&format!(
            "<value><array><data>{}</data></array></value>",
            "<value/>".repeat(200)
        ));
        assert_eq!(answer(&many).unwrap().unwrap().items().len(), 200);
    }

    #[test]
    fn optional_arguments_are_a_last_struct() {
        let call = Call::new("getBuild", [text("a & b")]).with([("strict", Value::Boolean(true))]);
        let body = call.body().unwrap();
        assert!(
            body.contains("<name>__starstar</name><value><boolean>1</boolean></value>"),
            "{body}"
        );
        assert!(body.contains("a &amp; b"), "{body}");
        assert!(body.contains("<methodName>getBuild</methodName>"), "{body}");
    }

    #[test]
    fn each_call_of_many_has_its_answer_or_its_fault() {
        let fault = record([("faultCode", number(1000)), ("faultString", text("no"))]);
        let value = Value::Array(vec![Value::Array(vec![Value::Nil]), fault]);
        let fault = HubFault { code: 1000, words: "no".to_owned() };
        assert_eq!(answers(value.clone(), 2), Ok(vec![Ok(Value::Nil), Err(fault)]));
        assert!(answers(value, 3).is_err());
        assert!(answers(Value::Nil, 0).is_err());
    }
}
