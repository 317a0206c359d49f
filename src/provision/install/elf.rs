//! What a program file is made for, read from its ELF header (System V ABI, figure 4-3).

use crate::provision::resource::Architecture;

const MAGIC: &[u8] = b"\x7fELF";
/// `EI_CLASS`: 64-bit.
const CLASS_64: u8 = 2;
/// `EI_DATA`: little-endian.
const LITTLE: u8 = 1;
/// `e_type`: a program at fixed addresses, and a shared object, as position-independent programs are.
const EXECUTABLES: [u16; 2] = [2, 3];
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// Why a file is no program that could run on an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It begins with `#!`.
    #[error("it is a script, not a program")]
    Script,
    /// It does not begin as ELF files do.
    #[error("it is not an ELF file, as Linux programs are")]
    NotElf,
    /// It is for a 32-bit or a big-endian machine.
    #[error("it is not made for a 64-bit little-endian machine")]
    OtherClass,
    /// It is an object file or a core dump.
    #[error("it is an ELF file, but not a program")]
    NotExecutable,
    /// It is for another machine.
    #[error("it is made for a machine that is neither x86_64 nor aarch64 (ELF machine {0})")]
    OtherMachine(u16),
}

/// Returns what the program is made for whose file begins with `header`, at least 20 bytes of it.
pub fn architecture_of(header: &[u8]) -> Result<Architecture, ElfError> {
    if header.starts_with(b"#!") {
        return Err(ElfError::Script);
    }
    let [class, data] = match header {
        [a, b, c, d, class, data, ..] if [*a, *b, *c, *d] == MAGIC => [*class, *data],
        _ => return Err(ElfError::NotElf),
    };
    if (class, data) != (CLASS_64, LITTLE) {
        return Err(ElfError::OtherClass);
    }
    let [kind, machine] = match header.get(16..20) {
        Some(&[a, b, c, d]) => [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])],
        _ => return Err(ElfError::NotElf),
    };
    if !EXECUTABLES.contains(&kind) {
        return Err(ElfError::NotExecutable);
    }
    match machine {
        X86_64 => Ok(Architecture::X86_64),
        AARCH64 => Ok(Architecture::Aarch64),
        other => Err(ElfError::OtherMachine(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, data: u8, kind: u16, machine: u16) -> Vec<u8> {
        let mut header = b"\x7fELF".to_vec();
        header.extend([class, data, 1, 0]);
        header.extend([0; 8]);
        header.extend(kind.to_le_bytes());
        header.extend(machine.to_le_bytes());
        header
    }

    #[test]
    fn programs_are_told_from_everything_else() {
        for (header, expected) in [
            (header(2, 1, 3, 62), Ok(Architecture::X86_64)),
            (header(2, 1, 2, 183), Ok(Architecture::Aarch64)),
            (header(2, 1, 1, 62), Err(ElfError::NotExecutable)),
            (header(2, 1, 4, 62), Err(ElfError::NotExecutable)),
            (header(1, 1, 2, 3), Err(ElfError::OtherClass)),
            (header(2, 2, 2, 22), Err(ElfError::OtherClass)),
            (header(2, 1, 3, 243), Err(ElfError::OtherMachine(243))),
            (b"#!/bin/sh\nexit 0\n ...".to_vec(), Err(ElfError::Script)),
            (b"\x7fELF".to_vec(), Err(ElfError::NotElf)),
            (header(2, 1, 3, 62)[..19].to_vec(), Err(ElfError::NotElf)),
            (Vec::new(), Err(ElfError::NotElf)),
        ] {
            assert_eq!(architecture_of(&header), expected, "{header:?}");
        }
    }

    #[test]
    fn this_very_program_is_one() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(architecture_of(&program).unwrap().as_str(), std::env::consts::ARCH);
    }
}
