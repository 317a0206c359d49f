//! What an installation that failed left an instance with, as the script's last words say it.

/// What a script that failed left an instance with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing was changed.
    Unchanged,
    /// It went back to the previous version, which serves.
    RolledBack,
    /// Nothing ran before, and nothing does.
    TakenAway,
    /// It went back to the previous version, which does not serve either.
    Down,
    /// The script did not get so far as to say it.
    Unknown,
}

impl Aftermath {
    /// Reads it from what the script wrote.
    pub(super) fn read(output: &str) -> Self {
        const SAID: [(&str, Aftermath); 6] = [
            ("went back to the previous version, which serves", Aftermath::RolledBack),
            ("went back to the previous version, which does not serve", Aftermath::Down),
            ("so it was taken away again", Aftermath::TakenAway),
            ("nothing was changed", Aftermath::Unchanged),
            ("elbws-proxy cannot be fetched", Aftermath::Unchanged),
            ("expected was", Aftermath::Unchanged),
        ];
        let said = SAID.iter().find(|(words, _)| output.contains(words));
        said.map_or(Self::Unknown, |(_, aftermath)| *aftermath)
    }

    /// Says what the instance runs now.
    #[must_use]
    pub fn runs(self) -> &'static str {
        match self {
            Self::Unchanged => "what it ran before",
            Self::RolledBack => "what it ran before: it was rolled back",
            Self::TakenAway => "no proxy, as before",
            Self::Down => "no proxy that serves",
            Self::Unknown => "it is not known which one: elbws status says",
        }
    }

    /// Says what happened, with the status that the script ended with.
    pub(super) fn words(self, status: &str) -> String {
        match self {
            Self::Unchanged => "the proxy was not installed, and nothing was changed".to_owned(),
            Self::RolledBack => {
                "the new proxy does not serve: it was rolled back, and the previous one serves".to_owned()
            }
            Self::TakenAway => {
                "the proxy does not serve, and as nothing ran before it was taken away again".to_owned()
            }
            Self::Down => {
                "the new proxy does not serve: it was rolled back, and the previous one does not serve either"
                    .to_owned()
            }
            Self::Unknown => format!("the script that installs the proxy failed ({status})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way in which the script ends badly is known by its own words.
    #[test]
    fn the_script_s_last_words_are_understood() {
        let script = include_str!("../install/install.sh");
        let mut understood = 0;
        for said in script.lines().filter(|line| line.contains("die '") || line.contains("die \"")) {
            let aftermath = Aftermath::read(&said.replace("$name", "elbws-proxy"));
            understood += usize::from(aftermath != Aftermath::Unknown);
        }
        assert!(understood >= 5, "{understood}");
        let went_back = "elbws: went back to the previous version, which serves";
        assert_eq!(Aftermath::read(went_back), Aftermath::RolledBack);
        assert!(script.contains(&went_back[7..]));
    }
}
