//! The root of an instance: the system's programs, which nobody inside can change, and files of its own.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::pivot_root;

use super::{PROGRAM, Trouble, when};
use crate::local::agent::message::Plan;

/// A directory that every system has; a file system over it hides nothing, since it is moved away at once.
const BASE: &str = "/tmp";
/// This machine's root while the new one is built.
const OLD: &str = "/old";
/// The new root.
const NEW: &str = "/new";
/// The system's programs and libraries.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// What /etc has of this machine's, where it is there: certificates of authorities, and where alternatives lead to.
const SHARED: &[&str] =
    &["/etc/alternatives", "/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted"];
/// What /etc has copies of.
const COPIED: &[&str] = &[
    "/etc/debian_version",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/localtime",
    "/etc/os-release",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/openssl.cnf",
];
const DEVICES: &[&str] = &["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];
/// What root of the user's own system could do there holds for all of it (as bubblewrap covers them).
const KERNEL: &[&str] =
    &["/proc/acpi", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/scsi", "/proc/sys", "/proc/sysrq-trigger"];
/// The instance's own files, and where they are.
const OWN: &[(&str, &str)] =
    &[("etc", "/etc"), ("home", "/home"), ("local", "/usr/local"), ("root", "/root"), ("var", "/var")];

/// Builds the root in this mount namespace and goes into it; nothing of the old one is left.
pub(super) fn enter(plan: &Plan, program: &Path) -> Result<(), Trouble> {
    populate(plan)?;
    let rest = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none(), "/", none(), rest, none()).map_err(when("mounts cannot be made private"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount_new("tmpfs", BASE, flags, "mode=755")?;
    for directory in ["old", "new"] {
        make(&Path::new(BASE).join(directory))?;
    }
    pivot_root(BASE, &Path::new(BASE).join("old")).map_err(when("pivot_root"))?;
    std::env::set_current_dir("/").map_err(when("/"))?;
    mount_new("tmpfs", NEW, flags, "mode=755")?;
    for directory in ["/dev", "/proc", "/run", "/tmp", "/sys", "/opt", "/srv", "/mnt", "/media"] {
        make(&new(directory))?;
    }
    mount_new("proc", "/new/proc", flags | MsFlags::MS_NOEXEC, "")?;
    for path in SYSTEM {
        system(path)?;
    }
    for (name, path) in OWN {
        if *path != "/usr/local" {
            make(&new(path))?;
        } else if !new(path).is_dir() {
            return Err("there is no /usr/local".to_owned());
        }
        bind(&old(plan.files.join(name)), &new(path), flags)?;
    }
    for path in SHARED.iter().filter(|path| old(path).is_dir()) {
        make(&new(path))?;
        bind(&old(path), &new(path), flags | MsFlags::MS_RDONLY)?;
    }
    for path in KERNEL.iter().filter(|path| new(path).exists()) {
        bind(&new(path), &new(path), flags | MsFlags::MS_RDONLY)?;
    }
    devices()?;
    mount_new("tmpfs", "/new/tmp", flags, "mode=1777")?;
    mount_new("tmpfs", "/new/run", flags, "mode=755")?;
    for directory in ["/run/lock", "/run/elbws"] {
        make(&new(directory))?;
    }
    touch(&new(PROGRAM))?;
    bind(&old(program), &new(PROGRAM), flags | MsFlags::MS_RDONLY)?;
    umount2(OLD, MntFlags::MNT_DETACH).map_err(when("the old root cannot be left"))?;
    std::env::set_current_dir(NEW).map_err(when(NEW))?;
    pivot_root(".", ".").map_err(when("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(when("the old root cannot be left"))?;
    std::env::set_current_dir("/").map_err(when("/"))
}

/// Makes sure that what is the system's cannot be written, nor be made writable again.
pub(super) fn verify() -> Result<(), Trouble> {
    let shared = SYSTEM.iter().chain(SHARED).chain(KERNEL).chain(DEVICES);
    for path in shared.chain([&PROGRAM]).filter(|path| Path::new(path).exists()) {
        let found = statvfs(*path).map_err(when(path))?;
        if !found.flags().contains(FsFlags::ST_RDONLY) {
            return Err(format!("{path} cannot be made read-only"));
        }
        let writable = MsFlags::MS_REMOUNT | MsFlags::MS_BIND;
        if mount(none(), *path, none(), writable, none()).is_ok() {
            return Err(format!("{path} can be made writable again"));
        }
    }
    match File::create("/usr/.elbws") {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(()),
        Err(error) => Err(format!("/usr is not read-only, it only {error}")),
        Ok(_) => {
            // It is the user's.
            let _ = fs::remove_file("/usr/.elbws");
            Err("/usr can be written".to_owned())
        }
    }
}

/// The name that EC2 gives a machine by its address.
pub(super) fn host_name(address: Ipv4Addr) -> String {
    let [first, second, third, fourth] = address.octets();
    format!("ip-{first}-{second}-{third}-{fourth}")
}

/// Puts the instance's own files where they are not yet.
fn populate(plan: &Plan) -> Result<(), Trouble> {
    let files = &plan.files;
    for directory in ["etc/systemd/system", "home", "root", "var/lib", "var/log", "var/cache", "var/spool"] {
        make(&files.join(directory))?;
    }
    for directory in ["bin", "sbin", "etc", "games", "include", "lib", "share", "src"] {
        make(&files.join("local").join(directory))?;
    }
    let root = files.join("root");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).map_err(when("/root"))?;
    let temporary = files.join("var/tmp");
    make(&temporary)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o1777)).map_err(when("/var/tmp"))?;
    for (path, target) in [("var/run", "/run"), ("var/lock", "/run/lock")] {
        link(target, &files.join(path))?;
    }
    for path in COPIED {
        let (from, to) = (Path::new(path), files.join(path.trim_start_matches('/')));
        if from.is_file() && !to.exists() {
            to.parent().map_or(Ok(()), make)?;
            fs::copy(from, &to).map_err(when(path))?;
        }
    }
    let (name, address) = (host_name(plan.address), plan.address);
    for (path, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n".to_owned()),
        ("etc/group", "root:x:0:\n".to_owned()),
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n".to_owned()),
        ("etc/hosts", format!("127.0.0.1 localhost\n{address} {name}\n")),
        ("etc/hostname", format!("{name}\n")),
        ("etc/resolv.conf", String::new()),
    ] {
        let path = files.join(path);
        if !path.exists() {
            write(&path, &text)?;
        }
    }
    // Anew each time: they belong to this version.
    for verb in ["systemctl", "journalctl"] {
        let path = files.join("local/sbin").join(verb);
        let text = format!(
            "#!/bin/sh\n# A stand-in: elbws's docs/local.md says what it does.\nexec {PROGRAM} local agent {verb} \"$@\"\n"
        );
        write(&path, &text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(when(verb))?;
    }
    Ok(())
}

/// The same link, or the same directory read-only; nothing where there is none.
fn system(path: &str) -> Result<(), Trouble> {
    let Ok(found) = fs::symlink_metadata(old(path)) else { return Ok(()) };
    if found.is_symlink() {
        let target = fs::read_link(old(path)).map_err(when(path))?;
        return link(target, &new(path));
    }
    make(&new(path))?;
    bind(&old(path), &new(path), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_RDONLY)
}

fn devices() -> Result<(), Trouble> {
    mount_new("tmpfs", "/new/dev", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=755")?;
    for path in DEVICES {
        touch(&new(path))?;
        // Read-only keeps owner and mode as they are; a device is written all the same.
        bind(&old(path), &new(path), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY)?;
    }
    for (path, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        link(target, &new(path))?;
    }
    make(&new("/dev/shm"))?;
    fs::set_permissions(new("/dev/shm"), fs::Permissions::from_mode(0o1777)).map_err(when("/dev/shm"))
}

/// Has `to` be `from`, with all that is mounted below it, under these flags beside those that it has.
fn bind(from: &Path, to: &Path, flags: MsFlags) -> Result<(), Trouble> {
    let both = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, none(), both, none())
        .map_err(|error| format!("{} cannot be bound: {error}", from.display()))?;
    let table = fs::read_to_string("/new/proc/self/mountinfo").map_err(when("mountinfo"))?;
    for (path, has) in table.lines().filter_map(mounted).filter(|(path, _)| path.starts_with(to)) {
        // The flags of a more privileged namespace cannot be taken away, and so must be named.
        let all = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags | has;
        mount(none(), &path, none(), all, none())
            .map_err(|error| format!("{} cannot be restricted: {error}", path.display()))?;
    }
    Ok(())
}

/// A mount point and its flags, of a line of mountinfo (`proc_pid_mountinfo(5)`).
fn mounted(line: &str) -> Option<(PathBuf, MsFlags)> {
    let mut columns = line.split(' ').skip(4);
    let (path, options) = (columns.next()?, columns.next()?);
    let flags = options.split(',').filter_map(|option| match option {
        "ro" => Some(MsFlags::MS_RDONLY),
        "nosuid" => Some(MsFlags::MS_NOSUID),
        "nodev" => Some(MsFlags::MS_NODEV),
        "noexec" => Some(MsFlags::MS_NOEXEC),
        "noatime" => Some(MsFlags::MS_NOATIME),
        "nodiratime" => Some(MsFlags::MS_NODIRATIME),
        "relatime" => Some(MsFlags::MS_RELATIME),
        _ => None,
    });
    Some((unescaped(path).into(), flags.collect()))
}

/// Spaces and the like are octal there.
fn unescaped(path: &str) -> String {
    let all = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    all.iter().fold(path.to_owned(), |path, (from, to)| path.replace(from, to))
}

fn mount_new(kind: &str, path: &str, flags: MsFlags, options: &str) -> Result<(), Trouble> {
    mount(Some(kind), path, Some(kind), flags, Some(options))
        .map_err(when(&format!("{kind} cannot be mounted")))
}

fn none() -> Option<&'static str> {
    None
}

/// Where a path of this machine is while the root is built.
fn old(path: impl AsRef<Path>) -> PathBuf {
    within(OLD, path.as_ref())
}

/// Where a path of the inside is while the root is built.
fn new(path: impl AsRef<Path>) -> PathBuf {
    within(NEW, path.as_ref())
}

fn within(root: &str, path: &Path) -> PathBuf {
    Path::new(root).join(path.strip_prefix("/").unwrap_or(path))
}

fn make(directory: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(directory).map_err(when(&directory.display().to_string()))
}

fn touch(path: &Path) -> Result<(), Trouble> {
    write(path, "")
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    fs::write(path, text).map_err(when(&path.display().to_string()))
}

fn link(target: impl AsRef<Path>, path: &Path) -> Result<(), Trouble> {
    match symlink(target, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(format!("{}: {error}", path.display())),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_flags() {
        let line =
            "36 35 98:0 /mnt1 /mnt\\0402 ro,nosuid,relatime master:1 - ext3 /dev/root rw,errors=continue";
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_RELATIME;
        assert_eq!(mounted(line), Some((PathBuf::from("/mnt 2"), flags)));
        assert_eq!(mounted("36 35"), None);
    }
}
