//! What the kernel says of a process: processor time and memory.

use std::fs;

use anyhow::Context as _;

/// Nanoseconds on a processor of all threads of the processes.
pub(crate) fn nanoseconds(pids: &[u32]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            sum += text.split_whitespace().next().context("an empty schedstat")?.parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// Bytes of a field of the processes' `status`, such as `RssAnon`.
pub(crate) fn memory(pids: &[u32], field: &str) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()).context("no such field")?;
        sum += kilobytes.parse::<u64>()? * 1024;
    }
    Ok(sum)
}
