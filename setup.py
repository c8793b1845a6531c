"""What setup.cfg cannot say: the wheel carries the ini files and the migrations, which stand beside the package."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("development.ini", "production.ini", "migrations/env.py", "migrations/script.py.mako")


class BuildWithShipped(build_py):
    """Copies them into `donkies/shipped_files/`, where `donkies.shipped` looks first."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in map(Path, (*SHIPPED, *map(str, Path("migrations/versions").glob("*.py")))):
            target = Path(self.build_lib, "donkies", "shipped_files", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(path, target)


setup(cmdclass={"build_py": BuildWithShipped})
