//! The expressions of `%if` and `%[…]`, after their macros are expanded.

use std::cmp::Ordering;
use std::fmt;

use crate::names::Version;

/// How deep parentheses and `!` may nest.
const DEPTH: usize = 50;

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(i64),
    Text(String),
    Version(Version),
}

impl Value {
    /// Tells whether an `%if` on it is taken.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Number(number) => *number != 0,
            Value::Text(text) => !text.is_empty(),
            Value::Version(_) => true,
        }
    }

    /// Compares two values of one kind; rpm refuses to compare two kinds, so that is not known.
    fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
            (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
            (Value::Version(left), Value::Version(right)) => Some(left.rpm_cmp(right)),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::Version(version) => write!(f, "{version}"),
        }
    }
}

/// Returns what an expanded expression comes to; `None` where rpm would fail on it or where it has
/// something that this reader does not know.
pub(super) fn evaluate(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.ternary()?;
    reader.rest.trim().is_empty().then_some(value)
}

/// Tells whether a comparison holds.
type Holds = fn(Ordering) -> bool;

/// The expression that is left to read.
struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl Reader<'_> {
    /// Reads the operator, where it comes next.
    fn accept(&mut self, operator: &str) -> bool {
        match self.rest.trim_start().strip_prefix(operator) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn ternary(&mut self) -> Option<Value> {
        let condition = self.or()?;
        if !self.accept("?") {
            return Some(condition);
        }
        let (yes, colon, no) = (self.ternary()?, self.accept(":"), self.ternary()?);
        colon.then_some(if condition.is_true() { yes } else { no })
    }

    fn or(&mut self) -> Option<Value> {
        let mut left = self.and()?;
        while self.accept("||") {
            let right = self.and()?;
            left = if left.is_true() { left } else { right };
        }
        Some(left)
    }

    fn and(&mut self) -> Option<Value> {
        let mut left = self.comparison()?;
        while self.accept("&&") {
            let right = self.comparison()?;
            left = if left.is_true() { right } else { left };
        }
        Some(left)
    }

    fn comparison(&mut self) -> Option<Value> {
        let mut left = self.sum()?;
        while let Some(holds) = self.comparator() {
            let order = left.compare(&self.sum()?)?;
            left = Value::Number(i64::from(holds(order)));
        }
        Some(left)
    }

    fn comparator(&mut self) -> Option<Holds> {
        let table: [(&str, Holds); 7] = [
            ("==", Ordering::is_eq),
            ("!=", Ordering::is_ne),
            ("<=", Ordering::is_le),
            (">=", Ordering::is_ge),
            ("=", Ordering::is_eq),
            ("<", Ordering::is_lt),
            (">", Ordering::is_gt),
        ];
        table.into_iter().find(|(operator, _)| self.accept(operator)).map(|(_, holds)| holds)
    }

    fn sum(&mut self) -> Option<Value> {
        let mut left = self.product()?;
        loop {
            left = if self.accept("+") {
                match (left, self.product()?) {
                    (Value::Text(left), Value::Text(right)) => Value::Text(left + &right),
                    (left, right) => arithmetic(left, right, i64::checked_add)?,
                }
            } else if self.accept("-") {
                let right = self.product()?;
                arithmetic(left, right, i64::checked_sub)?
            } else {
                return Some(left);
            }
        }
    }

    fn product(&mut self) -> Option<Value> {
        let mut left = self.factor()?;
        loop {
            left = if self.accept("*") {
                let right = self.factor()?;
                arithmetic(left, right, i64::checked_mul)?
            } else if self.accept("/") {
                let right = self.factor()?;
                arithmetic(left, right, i64::checked_div)?
            } else {
                return Some(left);
            }
        }
    }

    fn factor(&mut self) -> Option<Value> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let value = self.primary();
        self.depth -= 1;
        value
    }

    fn primary(&mut self) -> Option<Value> {
        self.rest = self.rest.trim_start();
        if self.accept("!") {
            return Some(Value::Number(i64::from(!self.factor()?.is_true())));
        }
        if self.accept("-") {
            return arithmetic(Value::Number(0), self.factor()?, i64::checked_sub);
        }
        if self.accept("(") {
            let value = self.ternary()?;
            return self.accept(")").then_some(value);
        }
        if self.accept("v\"") {
            return Some(Value::Version(self.quoted()?.parse().ok()?));
        }
        if self.accept("\"") {
            return self.quoted().map(Value::Text);
        }
        self.number()
    }

    /// Reads up to the closing quote.
    fn quoted(&mut self) -> Option<String> {
        let (text, rest) = self.rest.split_once('"')?;
        self.rest = rest;
        Some(text.to_owned())
    }

    /// Reads a number; a number that runs on into a word is no number.
    fn number(&mut self) -> Option<Value> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(length);
        let runs_on = rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
        self.rest = rest;
        digits.parse().ok().filter(|_| !runs_on).map(Value::Number)
    }
}

fn arithmetic(left: Value, right: Value, operation: fn(i64, i64) -> Option<i64>) -> Option<Value> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => operation(left, right).map(Value::Number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_come_to_what_rpm_makes_of_them() {
        let table = [
            ("0", Some(false)),
            ("044 >= 41 || 0", Some(true)),
            ("( 09 && ( 09 <= 7 || 09 >= 9 ) ) || ( 0 && 0 >= 45 )", Some(true)),
            ("!0 && !01", Some(false)),
            ("\"a\" == \"a\"", Some(true)),
            ("\"a\" != \"a\"", Some(false)),
            ("\"\"", Some(false)),
            ("1 + 2 * 3 == 7", Some(true)),
            ("7 / 0", None),
            ("v\"1.10\" > v\"1.9\"", Some(true)),
            ("1 ? 0 : 1", Some(false)),
            ("\"1\" == 1", None),
            ("word", None),
            ("1.0", None),
            ("", None),
            ("1 1", None),
            ("(1", None),
            ("\"open", None),
        ];
        for (text, expected) in table {
            assert_eq!(evaluate(text).map(|value| value.is_true()), expected, "{text:?}");
        }
    }

    #[test]
    fn deep_nesting_is_given_up_not_followed() {
        assert_eq!(evaluate(&"(".repeat(100_000)), None);
        assert_eq!(evaluate(&"!".repeat(100_000)), None);
    }
}
