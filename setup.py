"""What pyproject.toml cannot say beside its search for packages: conf/ ships inside the wheel as finetune_lab/conf."""

from setuptools import setup
from setuptools.command.build_py import build_py


class WithConf(build_py):
    """Takes the YAML files along; pyproject.toml says where they stand and where they go."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.packages = [*self.packages, "finetune_lab.conf"]


setup(cmdclass={"build_py": WithConf})
