//! SQLite's files, on disks of the simulator. This is the one file here with unsafe code: SQLite is written in C and calls it.
//!
//! It is what SQLite uses in this process for every file. The folder that a file is in says which disk it is on. What time it is for a thread is
//! what the disk says from which the thread has opened a file last, so that all units of work have the simulated time.

#![expect(
    unsafe_code,
    reason = "SQLite calls these functions, and hands them pointers"
)]

use crate::disk::{Disk, Fault, FileNumber, Handle, Kind, Lock, Make, SharedClock, Synced};
use rusqlite::ffi;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

/// The disks, by the folders of their files.
static DISKS: Mutex<BTreeMap<String, Arc<Disk>>> = Mutex::new(BTreeMap::new());

thread_local! {
    static CLOCK: RefCell<Option<Arc<SharedClock>>> = const { RefCell::new(None) };
}

/// The beginning of 1970, in milliseconds as SQLite counts them.
const DAY_ZERO_MS: i64 = 210_866_760_000_000;
/// The longest name of a file.
const NAME_BYTES_MAX: c_int = 512;

/// What SQLite opens in this folder is on this disk, as long as the answer lives.
pub(crate) fn mount(folder: &str, disk: &Arc<Disk>) -> Mounted {
    register();
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    disks.insert(folder.to_owned(), disk.clone());
    Mounted(folder.to_owned())
}

/// A folder that is a disk.
pub(crate) struct Mounted(String);

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        disks.remove(&self.0);
    }
}

fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<Open>() as c_int,
            mxPathname: NAME_BYTES_MAX,
            pNext: std::ptr::null_mut(),
            zName: c"simulated".as_ptr(),
            pAppData: std::ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_days),
            xGetLastError: None,
            xCurrentTimeInt64: Some(current_time),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: it is complete, and stays where it is for ever.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 1) };
        assert_eq!(
            code,
            ffi::SQLITE_OK,
            "SQLite does not take the simulated disk"
        );
    });
}

/// A file that SQLite has open: its own part first.
#[repr(C)]
struct Open {
    base: ffi::sqlite3_file,
    held: *mut Held,
}

struct Held {
    disk: Arc<Disk>,
    file: FileNumber,
    handle: Handle,
    remove: Option<String>,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The disk of a file, and its name there.
fn placed(path: &str) -> Option<(Arc<Disk>, &str)> {
    let (folder, name) = path.rsplit_once('/')?;
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    Some((disks.get(folder)?.clone(), name))
}

/// # Safety
/// It is null or a text that ends with a zero.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as promised.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

/// # Safety
/// It is a file that [`open`] has opened and nobody has closed.
unsafe fn held<'a>(file: *mut ffi::sqlite3_file) -> &'a Held {
    // SAFETY: as promised; nobody changes what is held until it is closed.
    unsafe { &*(*file.cast::<Open>()).held }
}

fn code(done: Result<(), Fault>, broken: c_int) -> c_int {
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(Fault::Full) => ffi::SQLITE_FULL,
        Err(Fault::Broken) => broken,
    }
}

fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

// === The file system ===

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let opened = file.cast::<Open>();
    // SAFETY: SQLite hands over room for an `Open`, and a name or null. Without methods it is not closed.
    let path = unsafe {
        (*opened).base.pMethods = std::ptr::null();
        text(name)
    };
    let found = match path {
        Some(path) => placed(path).map(|(disk, name)| (disk, Some(name))),
        None => Some((Arc::new(temporary()), None)),
    };
    let Some((disk, name)) = found else {
        return ffi::SQLITE_CANTOPEN;
    };
    let make = match flags & ffi::SQLITE_OPEN_CREATE != 0 || name.is_none() {
        true => Make::Yes,
        false => Make::No,
    };
    // The host makes the file of its database itself, empty.
    let make = match flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
        true => Make::Yes,
        false => make,
    };
    let Some((number, handle)) = disk.open(name, make) else {
        return ffi::SQLITE_CANTOPEN;
    };
    if name.is_some() {
        let clock = disk.clock.clone();
        CLOCK.with(|of_thread| *of_thread.borrow_mut() = Some(clock));
    }
    let remove = flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0;
    let held = Box::new(Held {
        disk,
        file: number,
        handle,
        remove: name.filter(|_| remove).map(str::to_owned),
    });
    // SAFETY: the room is SQLite's for this file, and `out` is null or a number's.
    unsafe {
        (*opened).held = Box::into_raw(held);
        (*opened).base.pMethods = &raw const METHODS;
        if !out.is_null() {
            *out = flags;
        }
    }
    ffi::SQLITE_OK
}

/// Where a file is that has no name.
fn temporary() -> Disk {
    let dice = crate::dice::Dice::new(0);
    Disk::new(BTreeMap::new(), Arc::default(), dice)
}

unsafe extern "C" fn delete(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: a name of SQLite's.
    let Some((disk, name)) = unsafe { text(name) }.and_then(placed) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    if !disk.is_there(name) {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    let synced = match sync_folder {
        0 => Synced::No,
        _ => Synced::Yes,
    };
    code(disk.remove(name, synced), ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: a name of SQLite's, and where it wants the answer.
    unsafe {
        let there = text(name).and_then(placed);
        *out = c_int::from(there.is_some_and(|(disk, name)| disk.is_there(name)));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a name of SQLite's.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if bytes.len() > place(i64::from(room)) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: there is room for so many, and the two are apart.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(
    _vfs: *mut ffi::sqlite3_vfs,
    count: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: there is room for so many bytes. Each of them is the same, so that each process is.
    unsafe { std::ptr::write_bytes(out, 42, place(i64::from(count))) };
    count
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    std::thread::sleep(Duration::from_micros(u64::from(micros.unsigned_abs())));
    micros
}

fn now() -> i64 {
    CLOCK.with(|clock| clock.borrow().as_ref().map_or(0, |clock| clock.now()))
}

unsafe extern "C" fn current_days(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: where SQLite wants the answer.
    unsafe { *out = (now() + DAY_ZERO_MS) as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: where SQLite wants the answer.
    unsafe { *out = now() + DAY_ZERO_MS };
    ffi::SQLITE_OK
}

// === One file ===

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let opened = file.cast::<Open>();
    // SAFETY: it was opened by us, and SQLite closes it once.
    let held = unsafe {
        (*opened).base.pMethods = std::ptr::null();
        Box::from_raw((*opened).held)
    };
    held.disk.unlock(held.file, held.handle, 0);
    if let Some(name) = &held.remove {
        // What is left of it is nobody's.
        let _ = held.disk.remove(name, Synced::No);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    count: c_int,
    at: i64,
) -> c_int {
    let count = place(i64::from(count));
    // SAFETY: an open file, and room for so many bytes, which SQLite may not have written yet.
    let (held, to) = unsafe {
        std::ptr::write_bytes(to.cast::<u8>(), 0, count);
        (
            held(file),
            std::slice::from_raw_parts_mut(to.cast::<u8>(), count),
        )
    };
    match held.disk.read(held.file, place(at), to) {
        Ok(read) if read == count => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: an open file, and so many bytes.
    let (held, bytes) = unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), place(i64::from(count)));
        (held(file), bytes)
    };
    let done = held.disk.write(held.file, place(at), bytes);
    code(done, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, bytes: i64) -> c_int {
    // SAFETY: an open file.
    let held = unsafe { held(file) };
    let done = held.disk.truncate(held.file, place(bytes));
    code(done, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    let held = unsafe { held(file) };
    code(held.disk.sync(held.file), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: an open file, and where SQLite wants the answer.
    unsafe {
        let held = held(file);
        *out = i64::try_from(held.disk.size(held.file)).unwrap_or(i64::MAX);
    }
    ffi::SQLITE_OK
}

fn taken(lock: Lock) -> c_int {
    match lock {
        Lock::Taken => ffi::SQLITE_OK,
        Lock::Busy => ffi::SQLITE_BUSY,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let held = unsafe { held(file) };
    taken(held.disk.lock(held.file, held.handle, level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    let held = unsafe { held(file) };
    held.disk.unlock(held.file, held.handle, level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: an open file, and where SQLite wants the answer.
    unsafe {
        let held = held(file);
        *out = c_int::from(held.disk.is_reserved(held.file));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4_096
}

unsafe extern "C" fn characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    // As SQLite has it for the file systems of Unix: what stands beside a torn write is not harmed.
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

// === The memory that is shared ===

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let make = match extend {
        0 => Make::No,
        _ => Make::Yes,
    };
    let (region, bytes) = (place(i64::from(region)), place(i64::from(bytes)));
    // SAFETY: an open file, and where SQLite wants the answer. The region stays where it is until the last one has unmapped it, and is
    // made of atomic numbers, so that many may write to it.
    unsafe {
        let held = held(file);
        let found = held
            .disk
            .region((held.file, held.handle), region, bytes, make);
        *out = found.map_or(std::ptr::null_mut(), |found| found.cast_mut().cast());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: an open file.
    let held = unsafe { held(file) };
    let from = place(i64::from(offset));
    let slots = from..from + place(i64::from(count));
    let kind = match flags & ffi::SQLITE_SHM_SHARED != 0 {
        true => Kind::Shared,
        false => Kind::Alone,
    };
    let who = (held.file, held.handle);
    if flags & ffi::SQLITE_SHM_LOCK != 0 {
        return taken(held.disk.lock_memory(who, slots, kind));
    }
    held.disk.unlock_memory(who, slots, kind);
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: an open file. To ask it takes its lock, which is a barrier too.
    let held = unsafe { held(file) };
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    let _ = held.disk.size(held.file);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: an open file.
    let held = unsafe { held(file) };
    held.disk.unmap(held.file, held.handle);
    ffi::SQLITE_OK
}
