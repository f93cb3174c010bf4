//! Plain lines, for pipes and files.

use std::collections::HashMap;

use super::ItemLine;

/// The progress of so many downloads is remembered; that of others is not told.
const MAX_KNOWN: usize = 1000;

/// Tells of each download when another tenth of it has come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What was told last: the tenth, and the number of the status.
    told: HashMap<String, (u8, i64)>,
}

impl Lines {
    pub(super) fn is_worth_a_line(&mut self, line: &ItemLine<'_>) -> bool {
        let id = line.id();
        if line.is_end() {
            self.told.remove(&*id);
        }
        let Some(status) = line.word else {
            return true;
        };
        let state = (tenth(line.percent), status.number());
        if let Some(told) = self.told.get_mut(&*id) {
            return std::mem::replace(told, state) != state;
        }
        if self.told.len() < MAX_KNOWN {
            self.told.insert(id.into_owned(), state);
            return true;
        }
        false
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 10"
)]
fn tenth(percent: Option<f64>) -> u8 {
    (percent.unwrap_or_default().clamp(0.0, 100.0) / 10.0) as u8
}
