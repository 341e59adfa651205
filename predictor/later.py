"""Put off the code of packages of which this process needs a few modules, until a name of theirs is used.

`import package.module` runs `package/__init__.py` first, and some of those import everything that the package
has: kserve its Kubernetes client and pandas, diffusers all models, torch._dynamo a compiler with sympy. That
was a large part of a cold start, and no job uses it. A package in PACKAGES is made without running its code.
Its modules can be imported, and PACKAGES can have them too. The first other name that is read from it runs
its code, so that nothing is missing: `from kserve import KServeClient` works, and takes its time then.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

PACKAGES = frozenset(
    {
        "kserve",
        "pandas",
        "torch._dynamo",
        "torch.export",
        "diffusers.models.autoencoders",
        "diffusers.models.transformers",
        "diffusers.models.unets",
        "peft",
        "peft.helpers",
        "peft.tuners",
        "peft.tuners.tuners_utils",
    }
)
# Their modules import each other in the order of the package's code, but for these.
WHOLE: dict[str, frozenset[str]] = {
    "pandas": frozenset(),
    "peft": frozenset({"helpers", "tuners"}),
    "peft.tuners": frozenset({"tuners_utils"}),
    "torch._dynamo": frozenset({"_trace_wrapped_higher_order_op"}),
}
_lock = threading.RLock()


def unmarked(function: Any) -> Any:
    """Stand in for `allow_in_graph`, which only tells the compiler that it need not look inside."""
    return function


def constant(function: Any) -> Any:
    """Do what `assume_constant_result` does."""
    function._dynamo_marked_constant = True
    return function


def disabled(function: Any = None, recursive: bool = True, **options: Any) -> Any:
    """Stand in for `disable`, which keeps the compiler away from a function, until the compiler is there."""
    if function is None:
        return functools.partial(disabled, recursive=recursive, **options)

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        compiler = sys.modules["torch._dynamo"]
        own = function if isinstance(compiler, Package) else compiler.disable(function, recursive, **options)
        return own(*args, **keywords)

    return call


class NotCompiled:
    """Stand in for the class of compiled modules: nothing is compiled before the compiler is there."""


class DataFrame:
    """Stand in for the class of pandas in kserve's annotations. Nothing is a table before pandas has run."""

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        """Make a table of pandas."""
        pandas = sys.modules["pandas"]
        run(pandas)
        return pandas.DataFrame(*args, **keywords)


class Adapters(type):
    """The class of stand-ins for classes of peft, by which diffusers asks whether a module has an adapter."""

    def __instancecheck__(cls, value: object) -> bool:
        """Ask the class itself. Nothing has an adapter before peft has run."""
        module = sys.modules.get(cls.__module__)
        return not isinstance(module, Package) and isinstance(value, getattr(module, cls.__name__))


def disable_input_dtype_casting(*args: Any, **options: Any) -> Any:
    """Do what peft's function does."""
    run(sys.modules["peft"])
    return import_module("peft.helpers").disable_input_dtype_casting(*args, **options)


# What libraries read from the compiler without compiling: marks for functions, the class of compiled modules.
MARKS: dict[tuple[str, str], Any] = {
    ("torch._dynamo", "eval_frame"): SimpleNamespace(OptimizedModule=NotCompiled),
    ("torch._dynamo", "allow_in_graph"): unmarked,
    ("torch._dynamo", "assume_constant_result"): constant,
    ("torch._dynamo", "disable"): disabled,
    ("pandas", "DataFrame"): DataFrame,
    ("peft.helpers", "disable_input_dtype_casting"): disable_input_dtype_casting,
    ("peft.tuners.tuners_utils", "BaseTunerLayer"): Adapters(
        "BaseTunerLayer", (), {"__module__": "peft.tuners.tuners_utils"}
    ),
    ("peft", "PeftModel"): Adapters("PeftModel", (), {"__module__": "peft"}),
}
# The only one that gets the marks of a package; all libraries where none is named.
READERS = {
    "pandas": "kserve",
    "peft": "diffusers",
    "peft.helpers": "diffusers",
    "peft.tuners.tuners_utils": "diffusers",
}
IMPORT = "importlib."  # asks whether there is a name, before `from package import name` reads it


class Package(ModuleType):
    """A package whose code has not run yet."""

    def __getattr__(self, name: str) -> Any:
        """Import a module of the package, or run its code for any other name."""
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        reader = str(sys._getframe(1).f_globals.get("__name__"))
        readers = (READERS.get(self.__name__, ""), IMPORT)
        if (mark := MARKS.get((self.__name__, name))) and reader.startswith(readers):
            return mark
        full = f"{self.__name__}.{name}"
        if "__path__" in vars(self) and (full in sys.modules or find_spec(full) is not None):
            __import__(full)
            return sys.modules[full]
        run(self)
        return getattr(self, name)


class PutOff(Loader):
    """Makes a package without running its code."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a module of another class, which the import system fills as any."""
        return Package(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet."""


class Imported(Loader):
    """Hands on a module that the code of its package has imported meanwhile."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__
        module.__spec__ = None  # the import system would take it in place of the finder's, and run it again

    def create_module(self, _spec: ModuleSpec) -> ModuleType:
        """Return the module, which must not run twice."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import system has replaced."""
        module.__spec__ = self.spec


class Finder(MetaPathFinder):
    """Finds the packages to put off where they are installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a package with another loader; None for everything else."""
        parent, _, name = fullname.rpartition(".")
        if parent in WHOLE and name not in WHOLE[parent] and isinstance(sys.modules.get(parent), Package):
            run(sys.modules[parent])
            if module := sys.modules.get(fullname):
                return ModuleSpec(fullname, Imported(module), origin=getattr(module, "__file__", None))
        if fullname not in PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = PutOff(spec.loader)
        return spec


def run(module: ModuleType) -> None:
    """Run the code of a package, after that of the package around it. Does nothing if it has run."""
    with _lock:
        if (parent := module.__name__.rpartition(".")[0]) in WHOLE and parent in sys.modules:
            run(sys.modules[parent])
        if not isinstance(module, Package):
            return
        spec: ModuleSpec | None = module.__spec__
        assert spec is not None and isinstance(spec.loader, PutOff)  # noqa: S101 - made by Finder
        spec.loader = module.__loader__ = spec.loader.loader
        module.__class__ = ModuleType  # type: ignore[assignment] # Python allows it for modules
        spec.loader.exec_module(module)


def install() -> None:
    """Put off the packages that are not imported yet. Safe to call again."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
