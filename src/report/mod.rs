//! The only writers of the command line's output: human, JSON, Markdown, progress.
