//! The compiling process takes from itself what it does not need, before it reads the first byte of a component: nothing can be opened,
//! started, connected to or signalled from then on, and what it may use is bounded.
//!
//! A compiler is a large program that reads hostile input. A mistake in it must give nothing but a wrong answer.

use super::job::CompileLimits;
use rustix::process::{Resource, Rlimit, Signal};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// The process cannot be confined; it must not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The system refused a limit.
    #[error("limit what the compiling process may use: {0}")]
    Limit(#[from] rustix::io::Errno),
    /// The system refused the filter of system calls.
    #[error("limit what the compiling process may ask of the system (seccomp): {0}")]
    Filter(String),
}

/// The lowest priority: a machine that serves and compiles at once serves.
const NICE: i32 = 19;
/// Between the signal that asks a process to end and the one that does not ask.
const CPU_GRACE: Duration = Duration::from_secs(1);

/// Confines this process for the rest of its life.
///
/// # Errors
/// The system does not have what it takes.
pub fn confine(limits: &CompileLimits) -> Result<(), ConfineError> {
    // Whoever runs short of memory should lose the compilation and not the host. Fails where /proc is not there, and nothing is lost.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    // Not every container allows it; the priority is for the others' comfort.
    let _ = rustix::process::nice(NICE);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    bound(Resource::As, limits.memory, limits.memory)?;
    let cpu = limits.cpu.as_secs();
    bound(Resource::Cpu, cpu, cpu + CPU_GRACE.as_secs())?;
    for none in [Resource::Fsize, Resource::Core, Resource::Nofile] {
        bound(none, 0, 0)?;
    }
    filter().map_err(|error| ConfineError::Filter(error.to_string()))
}

fn bound(resource: Resource, current: u64, most: u64) -> Result<(), rustix::io::Errno> {
    let has = rustix::process::getrlimit(resource);
    // What is tighter already stays so: only a privileged process may widen it.
    let least = |wanted: u64, has: Option<u64>| Some(has.map_or(wanted, |has| has.min(wanted)));
    let limit = Rlimit {
        current: least(current, has.current),
        maximum: least(most, has.maximum),
    };
    rustix::process::setrlimit(resource, limit)
}

/// What a compiler needs of the system: its pipes, memory, threads, time. Everything else does not exist for it.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn filter() -> Result<(), Box<dyn std::error::Error>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // A thread of this process, never another process. `clone3` hides its flags from the filter; where it does not exist, the C library
    // takes `clone`.
    let thread = libc::CLONE_THREAD.cast_unsigned().into();
    let is_thread = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(thread),
        thread,
    )?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_thread])?]);
    // The limits of a process can be read by its libraries, and changed by nobody.
    let unchanged = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(
        libc::SYS_prlimit64,
        vec![SeccompRule::new(vec![unchanged])?],
    );
    let missing = u32::try_from(libc::ENOSYS)?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(missing),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    // Sets "no new privileges" as well.
    seccompiler::apply_filter(&program)?;
    Ok(())
}
