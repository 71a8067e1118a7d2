"""A Python 2.7 with Autobahn's test suite, which was never ported to Python 3: of this machine, or of an older Debian, unpacked
into .build-tools and installed nowhere."""
import os, pathlib, shutil, subprocess, sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / ".build-tools/autobahn"
SITE = FOLDER / "site"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
PACKAGES = ["python2.7-minimal", "libpython2.7-minimal", "libpython2.7-stdlib", "libssl1.1", "libffi7"]
INSTALLERS = ["pip==20.3.4", "setuptools==44.1.1"]
PINNED = [
    "autobahntestsuite==0.8.2", "autobahn==0.10.9", "txaio==2.1.0", "Twisted==20.3.0", "zope.interface==5.5.2",
    "constantly==15.1.0", "incremental==21.3.0", "Automat==20.2.0", "hyperlink==21.0.0", "idna==2.10", "typing==3.10.0.0",
    "attrs==21.4.0", "six==1.16.0", "klein==17.10.0", "Werkzeug==0.16.1", "Jinja2==2.11.3", "MarkupSafe==1.1.1",
    "pyOpenSSL==21.0.0", "cryptography==3.3.2", "cffi==1.15.1", "pycparser==2.21", "enum34==1.1.10", "ipaddress==1.0.23",
    "setuptools==44.1.1",
]
# The suite imports unittest2 for tests of its own, and zope's packages are found by way of a .pth file.
START = """
import site, sys, unittest, warnings
warnings.simplefilter("ignore")
site.addsitedir(sys.argv.pop(1))
sys.modules["unittest2"] = unittest
from autobahntestsuite.wstest import run
run()
"""


class Unavailable(Exception):
    """Why there is none."""


def call(command, **options):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300, **options).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{command[0]} failed: {getattr(error, 'stderr', None) or error}".strip()) from None


class Python2:
    def __init__(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.program, self.environment = self.here() or self.unpacked()
        stamp = FOLDER / "installed"
        if not stamp.exists() or stamp.read_text().split() != [self.program, *PINNED]:
            self.install()
            stamp.write_text("\n".join([self.program, *PINNED]))

    def start(self, *arguments, **options):
        """The test suite's command, running."""
        return subprocess.Popen([self.program, "-s", "-c", START, SITE, *arguments], env=self.environment, **options)

    @staticmethod
    def here():
        versions = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
        for program in [shutil.which("python2.7"), *versions.glob("2.7.*/bin/python2.7")]:
            # A wide build, for which the pinned wheels are made.
            check = "import ssl, sys; sys.exit(sys.maxunicode < 0x10ffff)"
            if program and subprocess.run([program, "-c", check], capture_output=True).returncode == 0:
                return str(program), dict(os.environ)
        return None

    @staticmethod
    def unpacked():
        root = FOLDER / "root"
        program = root / "usr/bin/python2.7"
        if not program.exists():
            origins = call(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"])
            mirror = next((line.split()[1] for line in origins.splitlines() if line.startswith("Debian ")), None)
            if not mirror:
                raise Unavailable("this machine knows no archive of Debian")
            for name in ("lists/partial", "cache/archives/partial"):
                (FOLDER / name).mkdir(parents=True, exist_ok=True)
            (FOLDER / "sources.list").write_text(f"deb [signed-by={KEYS}] {mirror} bullseye main\n")
            own = [f"Dir::Etc::sourcelist={FOLDER}/sources.list", "Dir::Etc::sourceparts=-", f"Dir::State::lists={FOLDER}/lists",
                   f"Dir::Cache={FOLDER}/cache", "APT::Sandbox::User=root"]
            apt = ["apt-get", "-qq", *[word for option in own for word in ("-o", option)]]
            call([*apt, "update"])
            call([*apt, "download", *PACKAGES], cwd=FOLDER)
            for package in FOLDER.glob("*.deb"):
                call(["dpkg-deb", "-x", package, root])
        return str(program), dict(os.environ, LD_LIBRARY_PATH=f"{root}/usr/lib/x86_64-linux-gnu")

    def install(self):
        wheels, installers = FOLDER / "wheels", FOLDER / "installers"
        call([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, *INSTALLERS])
        for wheel in wheels.glob("*.whl"):
            shutil.unpack_archive(wheel, installers, "zip")
        shutil.rmtree(SITE, ignore_errors=True)
        command = [self.program, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", SITE, *PINNED]
        call(command, env=dict(self.environment, PYTHONPATH=str(installers)))
