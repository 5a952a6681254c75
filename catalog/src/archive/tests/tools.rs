//! Archives made by the programs that people have.

use std::path::Path;
use std::process::{Command, Stdio};

use super::super::{Contents, Fault};
use super::{store, text, unpacked};

/// Whether a program is there; where clients are required, one that is not is a failure.
fn has(program: &str, argument: &str) -> bool {
    let run = Command::new(program).arg(argument).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = run.is_ok();
    assert!(found || std::env::var("PLACIDO_TEST_CLIENTS").as_deref() != Ok("required"), "{program} is not installed");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with exports, a hidden file and a subfolder.
fn exports() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("été")).unwrap();
    std::fs::write(folder.path().join("été/Müller.csv"), text(200_000)).unwrap();
    std::fs::write(folder.path().join("plain.txt"), "short").unwrap();
    std::fs::write(folder.path().join(".hidden"), "x").unwrap();
    folder
}

async fn members(folder: &Path) -> Vec<(String, Result<Vec<u8>, Fault>)> {
    unpacked(&std::fs::read(folder.join("x.zip")).unwrap()).await.unwrap()
}

fn whole() -> Vec<(String, Result<Vec<u8>, Fault>)> {
    vec![("plain.txt".to_owned(), Ok(b"short".to_vec())), ("été/Müller.csv".to_owned(), Ok(text(200_000)))]
}

#[tokio::test]
async fn info_zip() {
    if !has("zip", "-h") {
        return;
    }
    for arguments in
        [&["-q", "-r", "x.zip", "."][..], &["-q", "-0", "-r", "x.zip", "."], &["-q", "-9", "-fz", "-r", "x.zip", "."]]
    {
        let folder = exports();
        run(folder.path(), "zip", arguments);
        assert_eq!(members(folder.path()).await, whole(), "{arguments:?}");
    }
    // Written to a pipe, where sizes come behind the bytes.
    let folder = exports();
    run(folder.path(), "sh", &["-c", "zip -q -r - . | cat > x.zip"]);
    let piped: Vec<_> = members(folder.path()).await.into_iter().filter(|(name, _)| name != "x.zip").collect();
    assert_eq!(piped, whole());
    let folder = exports();
    run(folder.path(), "zip", &["-q", "-P", "secret", "x.zip", "plain.txt"]);
    assert_eq!(members(folder.path()).await, [("plain.txt".to_owned(), Err(Fault::Encrypted))]);
    #[cfg(unix)]
    {
        let folder = exports();
        std::os::unix::fs::symlink("plain.txt", folder.path().join("link.csv")).unwrap();
        run(folder.path(), "zip", &["-q", "-y", "x.zip", "link.csv"]);
        assert_eq!(members(folder.path()).await, [("link.csv".to_owned(), Err(Fault::Link))]);
    }
}

#[tokio::test]
async fn python_zipfile() {
    if !has("python3", "--version") {
        return;
    }
    let python = |folder: &Path, script: &str| run(folder, "python3", &["-c", script]);
    let folder = exports();
    python(
        folder.path(),
        "import zipfile
with zipfile.ZipFile('x.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    z.write('été/Müller.csv')
    with z.open('plain.txt', 'w', force_zip64=True) as f: f.write(b'short')",
    );
    assert_eq!(members(folder.path()).await, whole());
    // To what can't be sought in: data descriptors, also of Zip64.
    let folder = exports();
    python(
        folder.path(),
        "import zipfile
class Pipe:
    def __init__(self, f): self.f = f
    def write(self, b): return self.f.write(b)
    def flush(self): self.f.flush()
with open('x.zip', 'wb') as f, zipfile.ZipFile(Pipe(f), 'w', zipfile.ZIP_DEFLATED) as z:
    z.write('été/Müller.csv')
    with z.open('plain.txt', 'w', force_zip64=True) as g: g.write(b'short')",
    );
    assert_eq!(members(folder.path()).await, whole());
    // More members than 16 bits count.
    let folder = exports();
    python(
        folder.path(),
        "import zipfile
with zipfile.ZipFile('x.zip', 'w') as z:
    for i in range(66000): z.writestr(f'{i:05}.csv', '')",
    );
    let (store, meta) = store(&std::fs::read(folder.path().join("x.zip")).unwrap()).await;
    let Ok(Contents::Members(many)) = store.members(&meta).await else { panic!("no members") };
    assert_eq!((many.len(), many[65_999].meta.location.as_ref()), (66_000, "x.zip!/65999.csv"));
    assert!(many.iter().all(|member| member.refused.is_none()));
    // What Python reads no better: methods that are not deflate, and a name twice.
    let folder = exports();
    python(
        folder.path(),
        "import zipfile, warnings
warnings.simplefilter('ignore')
with zipfile.ZipFile('x.zip', 'w') as z:
    z.write('plain.txt', 'bzip2.csv', zipfile.ZIP_BZIP2)
    z.write('plain.txt', 'lzma.csv', zipfile.ZIP_LZMA)
    z.write('plain.txt', 'twice.csv')
    z.write('plain.txt', 'twice.csv')",
    );
    let told: Vec<_> = members(folder.path()).await.into_iter().map(|(_, bytes)| bytes.unwrap_err()).collect();
    assert_eq!(told, [Fault::Method(12), Fault::Method(14), Fault::NameRepeated]);
}

#[tokio::test]
async fn seven_zip() {
    if !has("7z", "i") {
        return;
    }
    for arguments in [&["a", "-tzip", "x.zip", "plain.txt", "été"][..], &["a", "-tzip", "-mcu=on", "x.zip", "plain.txt", "été"]]
    {
        let folder = exports();
        run(folder.path(), "7z", arguments);
        assert_eq!(members(folder.path()).await, whole(), "{arguments:?}");
    }
    let folder = exports();
    run(folder.path(), "7z", &["a", "-tzip", "-mm=Deflate64", "x.zip", "été"]);
    assert_eq!(members(folder.path()).await, [("été/Müller.csv".to_owned(), Err(Fault::Method(9)))]);
    let folder = exports();
    run(folder.path(), "7z", &["a", "-tzip", "-psecret", "-mem=AES256", "x.zip", "plain.txt"]);
    assert_eq!(members(folder.path()).await, [("plain.txt".to_owned(), Err(Fault::Encrypted))]);
}
