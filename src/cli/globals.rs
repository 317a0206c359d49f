//! The options that every verb takes.

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For a pull request's comment; `plan` only.
    Markdown,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Profile of the AWS configuration files
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// AWS region [default: the spec's, else the usual AWS chain]
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Send every AWS call to this address; `AWS_ENDPOINT_URL` does the same
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Talk to the local AWS on this machine, with its test credentials
    #[arg(long, global = true, conflicts_with = "profile")]
    pub(crate) local: bool,
    /// Print results for people or for programs
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: Output,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: Color,
    /// Say more, such as the number of AWS calls
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

impl Globals {
    /// Returns how to print the result of a verb that has no Markdown form.
    pub(crate) fn text_or_json(&self) -> Result<Output, Failure> {
        match self.output {
            Output::Text | Output::Json => Ok(self.output),
            Output::Markdown => Err(Failure {
                error: anyhow!("only plan prints Markdown"),
                hint: Some("use --output text or --output json".to_owned()),
                exit: Exit::Usage,
            }),
        }
    }

    /// Sets the colours of everything that is printed from here on.
    pub(crate) fn set_color(&self) {
        let choice = match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}
