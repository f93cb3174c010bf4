//! The parameters of a call, with aria2's words for those that are wrong.

use serde_json::{Map, Value};

use super::error::RpcError;
use super::gid::GidPrefix;

/// The parameters of a call by their place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::serve) struct Params(Vec<Value>);

/// Which entries of a list a call wants: from the front, or from the end and in reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) struct Offset {
    pub(in crate::serve) offset: i64,
    pub(in crate::serve) count: usize,
}

/// Where in the queue a download is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Position {
    /// From the first place on.
    Set(i64),
    /// From its place.
    Current(i64),
    /// From the last place.
    End(i64),
}

impl Position {
    /// Returns the new place of what is at `current` of `length`.
    pub(in crate::serve) fn place(self, current: usize, length: usize) -> usize {
        let signed = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
        let last = signed(length.saturating_sub(1));
        let place = match self {
            Position::Set(by) => by,
            Position::Current(by) => signed(current).saturating_add(by),
            Position::End(by) => last.saturating_add(by),
        };
        usize::try_from(place.clamp(0, last.max(0))).unwrap_or_default()
    }
}

impl Params {
    const TOKEN: &str = "token:";

    pub(super) fn new(params: Vec<Value>) -> Params {
        Params(params)
    }

    /// Takes the token off the front, if there is one.
    pub(in crate::serve) fn take_token(&mut self) -> Option<String> {
        let token = self.0.first()?.as_str()?.strip_prefix(Params::TOKEN)?;
        let token = token.to_owned();
        self.0.remove(0);
        Some(token)
    }

    fn get<'a, T>(
        &'a self,
        at: usize,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, RpcError> {
        let Some(value) = self.0.get(at) else {
            return Ok(None);
        };
        let wrong = || RpcError::new(format!("The parameter at {at} has wrong type."));
        read(value).map(Some).ok_or_else(wrong)
    }

    fn required<T>(at: usize, value: Option<T>) -> Result<T, RpcError> {
        value
            .ok_or_else(|| RpcError::new(format!("The parameter at {at} is required but missing.")))
    }

    pub(in crate::serve) fn text(&self, at: usize) -> Result<&str, RpcError> {
        Params::required(at, self.get(at, Value::as_str)?)
    }

    pub(in crate::serve) fn list(&self, at: usize) -> Result<&[Value], RpcError> {
        Params::required(at, self.get(at, Value::as_array)?).map(Vec::as_slice)
    }

    pub(in crate::serve) fn integer(&self, at: usize) -> Result<i64, RpcError> {
        Params::required(at, self.get(at, Value::as_i64)?)
    }

    /// Returns an optional place in the queue.
    pub(in crate::serve) fn optional_place(&self, at: usize) -> Result<Option<Position>, RpcError> {
        let Some(place) = self.get(at, Value::as_i64)? else {
            return Ok(None);
        };
        not_negative(at, place)?;
        Ok(Some(Position::Set(place)))
    }

    pub(in crate::serve) fn map(&self, at: usize) -> Result<&Map<String, Value>, RpcError> {
        Params::required(at, self.optional_map(at)?)
    }

    pub(in crate::serve) fn optional_map(
        &self,
        at: usize,
    ) -> Result<Option<&Map<String, Value>>, RpcError> {
        self.get(at, Value::as_object)
    }

    pub(in crate::serve) fn gid(&self, at: usize) -> Result<GidPrefix, RpcError> {
        let text = self.text(at)?;
        GidPrefix::parse(text).ok_or_else(|| RpcError::new(format!("Invalid GID {text}")))
    }

    /// Returns the URIs of a download; those that are no text are skipped.
    pub(in crate::serve) fn uris(&self, at: usize) -> Result<Vec<String>, RpcError> {
        let uris = self.list(at)?.iter().filter_map(Value::as_str);
        let uris: Vec<_> = uris.map(str::to_owned).collect();
        if uris.is_empty() {
            return Err(RpcError::new("URI is not provided."));
        }
        Ok(uris)
    }

    /// Returns the keys that a row is to have; none for all.
    pub(in crate::serve) fn keys(&self, at: usize) -> Result<Vec<&str>, RpcError> {
        let keys = self.get(at, Value::as_array)?.into_iter().flatten();
        Ok(keys.filter_map(Value::as_str).collect())
    }

    pub(in crate::serve) fn offset(&self, at: usize) -> Result<Offset, RpcError> {
        let (offset, count) = (self.integer(at)?, self.integer(at + 1)?);
        let count = not_negative(at + 1, count)?;
        Ok(Offset { offset, count })
    }

    pub(in crate::serve) fn position(&self, at: usize) -> Result<Position, RpcError> {
        let (by, how) = (self.integer(at)?, self.text(at + 1)?);
        match how {
            "POS_SET" => Ok(Position::Set(by)),
            "POS_CUR" => Ok(Position::Current(by)),
            "POS_END" => Ok(Position::End(by)),
            _ => Err(RpcError::new("Illegal argument.")),
        }
    }
}

fn not_negative(at: usize, number: i64) -> Result<usize, RpcError> {
    usize::try_from(number).map_err(|_| {
        RpcError::new(format!(
            "The integer parameter at {at} has invalid value: the value must be greater than or equal to 0."
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(values: Value) -> Params {
        match values {
            Value::Array(values) => Params::new(values),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_token_in_front_is_taken_off() {
        for (given, token, rest) in [
            (json!(["token:s", 1]), Some("s"), json!([1])),
            (json!(["token:"]), Some(""), json!([])),
            (json!([1, "token:s"]), None, json!([1, "token:s"])),
            (json!(["Token:s"]), None, json!(["Token:s"])),
            (json!([]), None, json!([])),
        ] {
            let mut taken = params(given);
            assert_eq!(taken.take_token().as_deref(), token);
            assert_eq!(taken, params(rest));
        }
    }

    #[test]
    fn wrong_parameters_are_refused_in_the_words_of_aria2() {
        let wrong = |at| format!("The parameter at {at} has wrong type.");
        let missing = |at| format!("The parameter at {at} is required but missing.");
        let none = params(json!([]));
        let numbers = params(json!([5, -1]));
        let texts = params(json!(["xyz", "0", "POS_X"]));
        for (error, message) in [
            (none.gid(0).unwrap_err(), missing(0)),
            (numbers.gid(0).unwrap_err(), wrong(0)),
            (texts.gid(0).unwrap_err(), "Invalid GID xyz".to_owned()),
            (texts.uris(0).unwrap_err(), wrong(0)),
            (params(json!([[]])).uris(0).unwrap_err(), "URI is not provided.".to_owned()),
            (params(json!([[1, null]])).uris(0).unwrap_err(), "URI is not provided.".to_owned()),
            (texts.keys(0).unwrap_err(), wrong(0)),
            (texts.offset(1).unwrap_err(), wrong(1)),
            (params(json!([0])).offset(0).unwrap_err(), missing(1)),
            (
                numbers.offset(0).unwrap_err(),
                "The integer parameter at 1 has invalid value: the value must be greater than or equal to 0."
                    .to_owned(),
            ),
            (texts.position(1).unwrap_err(), wrong(1)),
            (params(json!([0, "POS_X"])).position(0).unwrap_err(), "Illegal argument.".to_owned()),
            (none.map(1).unwrap_err(), missing(1)),
            (params(json!([[]])).map(0).unwrap_err(), wrong(0)),
        ] {
            assert_eq!(error, RpcError::new(message));
        }
    }

    #[test]
    fn a_position_stays_within_the_queue() {
        use Position::{Current, End, Set};
        for (position, current, length, place) in [
            (Set(99), 0, 3, 2),
            (Set(-1), 2, 3, 0),
            (Current(-99), 2, 3, 0),
            (Current(1), 1, 3, 2),
            (End(-1), 0, 3, 1),
            (End(0), 0, 3, 2),
            (Current(i64::MAX), 1, 3, 2),
            (Set(0), 0, 1, 0),
        ] {
            assert_eq!(position.place(current, length), place, "{position:?}");
        }
    }
}
