//! What a unit has said lately.

use std::collections::VecDeque;

use time::OffsetDateTime;
use time::macros::format_description;

/// How many lines are kept.
const KEPT: usize = 1000;
/// How long one may be; the rest of it is dropped.
pub(super) const LONGEST: usize = 8 * 1024;

/// The last lines of one unit.
#[derive(Default)]
pub(super) struct Journal(VecDeque<String>);

impl Journal {
    /// Adds what `who` said just now.
    pub(super) fn add(&mut self, who: &str, text: &str) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        let format = format_description!("[month repr:short] [day] [hour]:[minute]:[second]");
        let now = OffsetDateTime::now_utc().format(&format).unwrap_or_default();
        let host = nix::unistd::gethostname().unwrap_or_default();
        let end = text.floor_char_boundary(LONGEST);
        let text = text.get(..end).unwrap_or_default();
        self.0.push_back(format!("{now} {} {who}: {text}", host.display()));
    }

    /// The last lines.
    pub(super) fn last(&self, count: usize) -> String {
        let lines = self.0.iter().skip(self.0.len().saturating_sub(count));
        lines.flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let mut journal = Journal::default();
        for number in 0..KEPT + 2 {
            journal.add("unit[7]", &number.to_string());
        }
        assert!(journal.last(1).ends_with(&format!(" unit[7]: {}\n", KEPT + 1)));
        assert_eq!(journal.last(usize::MAX).lines().count(), KEPT);
        journal.add("unit[7]", &"ä".repeat(LONGEST));
        assert_eq!(journal.last(1).matches('ä').count(), LONGEST / 2);
    }
}
