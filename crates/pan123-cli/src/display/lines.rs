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

#[cfg(test)]
mod tests {
    use pan123_async::proto::batch::ItemChange;
    use pan123_async::proto::ledger::ItemKey;
    use pan123_async::{Progress, TaskStatus};

    use super::*;

    fn progress(key: &ItemKey, percent: f64, status: TaskStatus) -> ItemLine<'_> {
        let progress = Progress::new(percent, status);
        ItemLine::of_change(key, &ItemChange::Progress(progress))
    }

    #[test]
    fn each_tenth_and_each_status_is_told_once() {
        let key = ItemKey::new("a").unwrap();
        let mut lines = Lines::default();
        for (percent, status, is_told) in [
            (0.0, TaskStatus::Running, true),
            (9.9, TaskStatus::Running, false),
            (10.0, TaskStatus::Running, true),
            (35.0, TaskStatus::Running, true),
            (39.0, TaskStatus::Running, false),
            (39.0, TaskStatus::Retrying, true),
            (39.0, TaskStatus::Retrying, false),
        ] {
            let line = progress(&key, percent, status);
            assert_eq!(lines.is_worth_a_line(&line), is_told, "{percent} {status}");
        }
    }

    #[test]
    fn a_crowd_is_not_told_one_by_one_until_some_have_ended() {
        let keys = (0..=MAX_KNOWN).map(|key| ItemKey::new(key.to_string()).unwrap());
        let keys: Vec<_> = keys.collect();
        let mut lines = Lines::default();
        let told = |lines: &mut Lines, key| {
            lines.is_worth_a_line(&progress(key, 0.0, TaskStatus::Running))
        };
        let (last, first) = keys.split_last().unwrap();
        assert!(first.iter().all(|key| told(&mut lines, key)));
        assert!(!told(&mut lines, last));
        let ended = ItemLine::of_change(&keys[0], &ItemChange::Succeeded(None));
        assert!(lines.is_worth_a_line(&ended));
        assert!(told(&mut lines, last));
    }
}
