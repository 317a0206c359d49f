//! Turns by weight: of several groups, each gets its share. Pure.

use crate::local::state::elbv2::WeightedGroup;

/// The group whose turn it is; none if no group has a weight. Turns of the groups are mixed as evenly as their
/// weights allow, so that a few requests show them already.
pub(super) fn pick(groups: &[WeightedGroup], turn: usize) -> Option<&str> {
    let total: u64 = groups.iter().map(|group| u64::from(group.weight)).sum();
    if total == 0 {
        return None;
    }
    let turn = turn as u64 % total;
    let mut given = vec![0_u64; groups.len()];
    let mut chosen = None;
    for so_far in 1..=turn + 1 {
        // Who lags furthest behind its share; the first of several.
        let lag = |index: usize| {
            i128::from(u64::from(groups[index].weight) * so_far) - i128::from(given[index] * total)
        };
        let next = (0..groups.len()).rev().max_by_key(|index| lag(*index))?;
        given[next] += 1;
        chosen = Some(next);
    }
    groups.get(chosen?).map(|group| group.arn.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(weights: &[u16]) -> String {
        let names = ["a", "b", "c"];
        let groups: Vec<WeightedGroup> = weights
            .iter()
            .zip(names)
            .map(|(weight, name)| WeightedGroup { arn: name.to_owned(), weight: *weight })
            .collect();
        (0..8).map(|turn| pick(&groups, turn).unwrap_or("-")).collect()
    }

    #[test]
    fn shares_follow_the_weights_and_are_mixed() {
        assert_eq!(picked(&[1, 1]), "abababab");
        assert_eq!(picked(&[3, 1]), "aabaaaba");
        assert_eq!(picked(&[0, 5]), "bbbbbbbb");
        assert_eq!(picked(&[0, 0]), "--------");
        assert_eq!(picked(&[]), "--------");
    }
}
