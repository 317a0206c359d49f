//! What a run reports while it goes on: a live line per step on a terminal, plain lines elsewhere, or one JSON
//! object a line.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::provision::event::{Event, Happening};
use crate::provision::plan::Step;

/// Shows the events of one run.
pub(crate) struct Progress {
    titles: BTreeMap<usize, String>,
    /// What each step was last said to wait for.
    waits: BTreeMap<usize, String>,
    surface: Surface,
}

enum Surface {
    Json,
    Plain,
    Live { bars: MultiProgress, running: BTreeMap<usize, ProgressBar> },
}

impl Progress {
    /// Shows the run of `steps`.
    pub(crate) fn new(json: bool, steps: &[Step]) -> Self {
        let surface = if json {
            Surface::Json
        } else if std::io::stderr().is_terminal() {
            Surface::Live { bars: MultiProgress::new(), running: BTreeMap::new() }
        } else {
            Surface::Plain
        };
        let titles = steps.iter().map(|step| (step.id, step.operation.to_string())).collect();
        Self { titles, waits: BTreeMap::new(), surface }
    }

    /// Shows events until their sender is gone.
    pub(crate) async fn follow(mut self, mut events: UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            self.show(&event);
        }
        if let Surface::Live { running, .. } = &self.surface {
            for bar in running.values() {
                bar.finish_and_clear();
            }
        }
    }

    fn show(&mut self, event: &Event) {
        if let Surface::Json = self.surface {
            if let Ok(line) = serde_json::to_string(event) {
                super::result(&format!("{line}\n"));
            }
            return;
        }
        match &event.happening {
            Happening::StepStarted { step, .. } => self.start(*step),
            Happening::StepRetrying { step, reason } => {
                let title = self.title(*step).to_owned();
                let is_news = self.is_news(*step, reason);
                match &self.surface {
                    Surface::Live { running, .. } => {
                        if let Some(bar) = running.get(step) {
                            bar.set_message(format!("{title}: {reason}"));
                        }
                    }
                    Surface::Plain | Surface::Json if is_news => self.line(&format!("… {title}: {reason}")),
                    Surface::Plain | Surface::Json => {}
                }
            }
            Happening::StepWarned { step, warning } => {
                let line = format!("! {}: {warning}", self.title(*step));
                self.line(&line);
            }
            Happening::StepFinished { step, elapsed } => {
                let line = format!("✓ {} ({})", self.title(*step), seconds(*elapsed));
                self.end(*step, &line);
            }
            Happening::StepFailed { step, elapsed, .. } => {
                let line = format!("✗ {} ({})", self.title(*step), seconds(*elapsed));
                self.end(*step, &line);
            }
            Happening::StepInterrupted { step, reason } => {
                let line = format!("✗ {}: {reason}", self.title(*step));
                self.end(*step, &line);
            }
            // What was not started is listed once, when the run has ended.
            Happening::StepSkipped { .. } => {}
            Happening::TargetChanged { group, id, state, reason } => {
                let group = group.as_ref().map(|group| format!(" in {group}")).unwrap_or_default();
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let sign = if state == "InService" || state == "healthy" { "✓" } else { "…" };
                self.line(&format!("{sign} {id}{group} is {state}{reason}"));
            }
        }
    }

    /// Says whether the step waits for something else than it was last said to.
    fn is_news(&mut self, step: usize, reason: &str) -> bool {
        self.waits.insert(step, reason.to_owned()).as_deref() != Some(reason)
    }

    fn title(&self, step: usize) -> &str {
        self.titles.get(&step).map_or("", String::as_str)
    }

    fn start(&mut self, step: usize) {
        let title = self.title(step).to_owned();
        if let Surface::Live { bars, running } = &mut self.surface {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_message(title);
            bar.enable_steady_tick(Duration::from_millis(100));
            running.insert(step, bar);
        }
    }

    fn end(&mut self, step: usize, line: &str) {
        if let Surface::Live { running, .. } = &mut self.surface
            && let Some(bar) = running.remove(&step)
        {
            bar.finish_and_clear();
        }
        self.line(line);
    }

    fn line(&self, line: &str) {
        match &self.surface {
            Surface::Live { bars, .. } => {
                // A terminal that is gone is no reason to stop.
                let _ = bars.println(line);
            }
            Surface::Plain | Surface::Json => super::message(line),
        }
    }
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_waits_for_is_said_once() {
        let mut progress = Progress::new(false, &[]);
        let said = [(1, "pending"), (1, "pending"), (2, "pending"), (1, "running"), (1, "pending")]
            .map(|(step, reason)| progress.is_news(step, reason));
        assert_eq!(said, [true, false, true, true, true]);
    }
}
