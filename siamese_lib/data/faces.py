"""The declared typefaces, and where they are on this machine.

8 training, 2 validation and 9 test typefaces from Debian packages, disjoint by design family: a typeface, its
weights and its sisters from the same drawings are one family. The training typefaces are diverse on purpose
(boxed sans and serif, rounded, de-boxed, hand, brush). The test typefaces are those that resemble PHD08's
nine fonts most, whose letters they carry. In the code a typeface is a `face`, as in run manifests and in the
column of `meta`.

Where the Debian fonts are not all present, two PyPI packages serve as a fallback. Its validation typeface is
a weight of a training family, because there is nothing else: it is for trying things out, its manifests say
`fallback`, and no published number rests on it.

Fonts are found by file name in the folders of `SIAMESE_FONTS` (separated as in PATH) or, where that is unset,
in the system's and the user's font folders, and always in the two PyPI packages.
"""

import importlib.util
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from siamese_lib.data.checks import whole_number
from siamese_lib.data.font_files import designation, file_sha256
from siamese_lib.errors import InputError
from siamese_lib.files import absolute, cached, files_beneath

SPLITS = ("train", "validation", "test")
WIDE = "train-wide"  # the training typefaces and those of siamese_lib.data.wide_faces
RENDERER_VERSION = 1  # of the pixels that glyphs.py draws: raise it whenever they may change
PYPI_PACKAGES = ("koreanize_matplotlib", "pylopdf_fonts_ko")


@dataclass(frozen=True)
class Face:
    """One declared typeface.

    Attributes:
        key: short name, used in tables.
        family: design family; no family is in two splits.
        file: name of the font file.
        package: Debian or PyPI package that holds it.
        sha256: of the file that the published numbers were made with.
        look: what it looks like.
        index: of the typeface within a font collection.
        letter: the PHD08 font that it stands for, or "".
    """

    key: str
    family: str
    file: str
    package: str
    sha256: str
    look: str
    index: int = 0
    letter: str = ""


@dataclass(frozen=True)
class FoundFace:
    """A typeface on this machine.

    Attributes:
        face: what is declared.
        path: the file, or None where only rendered glyphs of the declared file lie in the cache.
        sha256: of the file found (of the declared one where path is None).
        fallback: whether it belongs to the PyPI fallback.
        note: how it differs from what is declared, what of the file it is, or "".
    """

    face: Face
    path: Path | None
    sha256: str
    fallback: bool = False
    note: str = ""


_SHA256 = {
    "NanumGothic.ttf": "48a28e97b34fc8e5b157657633670cd1b7de126cfc414da65ce9c3d5bc8be733",
    "NanumMyeongjo.ttf": "a21faae83d2d16d11c639f04f25fbe410eda905969ad75eff50d63ca31569f25",
    "BMJUA_ttf.ttf": "e8e6aa8b1b662c7bf0d7f136f29e822e0985176458a6e5d0ba08afc4a5c901a9",
    "Guseul.ttf": "55315f2ce78474cccd73ae56fd345f5b01831775e56a9ea2b74ed4bf3f5e83c7",
    "Bandal.ttf": "dd336fcf2d6442db973b595ca9464eda1184e9da66b81499854caf88616fdc03",
    "Eunjin.ttf": "db83adb8cb6e8eb0c7b769c32f4cbaf48d107231b2c27ac21e132ac27fa79958",
    "NanumPen.ttf": "0e1e2cc07fd5c5d181936ecaf97363263a8d4ae6b6151039ea83cb9002b63152",
    "BMYEONSUNG_ttf.ttf": "154d22ee908e6d5ac11acb3526a8dd5c6963a9379abe81330df0b1453080f63e",
    "LexiGulim.ttf": "93febf36328b52cadaae2f794b741222f2567f32b9979769c9eaafbe1344f2bf",
    "UnTaza.ttf": "b8765cb29d39c88c65224d2feb1b499e7dd07cde6c6af1db39212a5f4d441900",
    "UnJamoNovel.ttf": "36d053796d4f11dbd9efd6c6c58662296da925c1e18d62e97674b2180542816f",
    "gulim.ttf": "a81f5e720b75421e05e253238e7f57eb9396dd88380e6986550c1b0760a26e58",
    "UnBatang.ttf": "4f8e953b9044ad83745034a2b94fe876394f94e95a5f7ec8c63ac267767b1772",
    "UnJamoSora.ttf": "23e293cf05e0dbf10fe45608abec3a36ec24752ba210932cdd9599ad3ecb1686",
    "UnPilgia.ttf": "1fa5ebfc381efe37a570a035dc1d255b3fa5e4314f7341712164f4f951d1296e",
    "dotum.ttf": "7096d7f10be31da51ce0b0acf4a1caaeda670fe3f6fbbf25c2e78c2650fa4d99",
    "UnPilgi.ttf": "40c1b92cfe5d4397957fe03d164e21f4c8ff3148b00c125f050cce6f75f0d49a",
    "UnGungseo.ttf": "0150da785bffa5bd439f2991b2d5fa3ef66c1b70c9fdf431e214616bd270fa3b",
    "NotoSansCJK-Bold.ttc": "faa5f3656a78b2e2d450d27fe8382c778bc2b6bb5ea29c986664a6a435056ceb",
    "NanumGothicLight.ttf": "da39544c39be58124a4fcb296eafc2bf73530b3dbd1b19aa802c5c3fd227e31c",
    "NanumGothicBold.ttf": "454eb3f503f377782a99eb84fc4bb7dde22a0f075d41b47427737f2985053bc9",
    "NotoSerifKR-Regular.otf": "5ea012e15cb7eacc1f680aee1703f3b164791b1443ea3e52b65080cca5d179cf",
    "NanumGothicExtraBold.ttf": "e0288775c8f021f327fd77f9eb251eea80e4601bbbb068478c7878caa23e8f92",
    "NotoSansKR-Regular.otf": "69975a0ac8472717870aefeab0a4d52739308d90856b9955313b2ad5e0148d68",
}


def _face(
    key: str, family: str, file: str, package: str, look: str, letter: str = "", index: int = 0
) -> Face:
    return Face(key, family, file, package, _SHA256[file], look, index, letter)


TRAIN_FACES = [
    _face("NanumGothic", "NanumGothic", "NanumGothic.ttf", "fonts-nanum", "sans, boxed"),
    _face("NanumMyeongjo", "NanumMyeongjo", "NanumMyeongjo.ttf", "fonts-nanum", "serif, boxed"),
    _face("BMJua", "BMJua", "BMJUA_ttf.ttf", "fonts-woowa-bm", "rounded bold, boxed"),
    _face("Guseul", "Guseul", "Guseul.ttf", "fonts-alee", "sans, de-boxed"),
    _face("Bandal", "Bandal", "Bandal.ttf", "fonts-alee", "narrow sans, de-boxed"),
    _face("Eunjin", "Eunjin", "Eunjin.ttf", "fonts-alee", "neat hand, de-boxed"),
    _face("NanumPen", "NanumPen", "NanumPen.ttf", "fonts-nanum-extra", "quick pen hand"),
    _face("BMYeonsung", "BMYeonsung", "BMYEONSUNG_ttf.ttf", "fonts-woowa-bm", "brush lettering"),
]
VALIDATION_FACES = [
    _face("LexiGulim", "LexiGulim", "LexiGulim.ttf", "fonts-lexi-gulim", "rounded sans, boxed"),
    _face("UnTaza", "UnTaza", "UnTaza.ttf", "fonts-unfonts-extra", "typewriter, de-boxed"),
]
_TEST = [
    _face(
        "UnJamoNovel",
        "UnJamo",
        "UnJamoNovel.ttf",
        "fonts-unfonts-extra",
        "geometric sans, de-boxed",
        letter="S",
    ),
    _face("BaekmukGulim", "BaekmukGulim", "gulim.ttf", "fonts-baekmuk", "rounded sans, boxed", letter="G"),
    _face("UnBatang", "UnBatang", "UnBatang.ttf", "fonts-unfonts-core", "serif, boxed", letter="M"),
    _face("UnJamoSora", "UnJamo", "UnJamoSora.ttf", "fonts-unfonts-extra", "bold sans, de-boxed", letter="N"),
    _face("UnPilgia", "UnPilgi", "UnPilgia.ttf", "fonts-unfonts-extra", "pen hand", letter="B"),
    _face("BaekmukDotum", "BaekmukDotum", "dotum.ttf", "fonts-baekmuk", "thin sans, boxed", letter="D"),
    _face("UnPilgi", "UnPilgi", "UnPilgi.ttf", "fonts-unfonts-core", "postcard hand", letter="Y"),
    _face("UnGungseo", "UnGungseo", "UnGungseo.ttf", "fonts-unfonts-core", "semi-cursive brush", letter="H1"),
    _face(
        "NotoSansCJKBold",
        "NotoSans",
        "NotoSansCJK-Bold.ttc",
        "fonts-noto-cjk",
        "extra bold headline",
        letter="H2",
        index=1,
    ),
]
TEST_FACES = {face.letter: face for face in _TEST}
FALLBACK_FACES = {
    "train": [
        _face(
            "NanumGothicLight",
            "NanumGothic",
            "NanumGothicLight.ttf",
            "koreanize-matplotlib",
            "light sans, boxed",
        ),
        _face("NanumGothic", "NanumGothic", "NanumGothic.ttf", "koreanize-matplotlib", "sans, boxed"),
        _face(
            "NanumGothicBold",
            "NanumGothic",
            "NanumGothicBold.ttf",
            "koreanize-matplotlib",
            "bold sans, boxed",
        ),
        _face("NotoSerifKR", "NotoSerif", "NotoSerifKR-Regular.otf", "pylopdf-fonts-ko", "serif, boxed"),
    ],
    "validation": [
        _face(
            "NanumGothicExtraBold",
            "NanumGothic",
            "NanumGothicExtraBold.ttf",
            "koreanize-matplotlib",
            "extra bold sans, boxed",
        ),
    ],
    "test": [
        _face("NotoSansKR", "NotoSans", "NotoSansKR-Regular.otf", "pylopdf-fonts-ko", "sans, boxed"),
    ],
}


def declared_faces(split: str) -> list[Face]:
    """Typefaces of "train", "validation", "test" (in the order of PHD08's letters) or "train-wide"."""
    if split == WIDE:
        from siamese_lib.data.wide_faces import WIDE_FACES

        return TRAIN_FACES + WIDE_FACES
    if split not in SPLITS:
        raise InputError(f"split {split!r} is unknown; use one of {', '.join((*SPLITS, WIDE))}")
    return {"train": TRAIN_FACES, "validation": VALIDATION_FACES, "test": list(TEST_FACES.values())}[split]


def find_faces(split: str) -> list[FoundFace]:
    """The typefaces of a split on this machine.

    They are the declared ones where those of all three splits are there, else the PyPI fallback, with a
    warning. A file of the declared name with another hash is used, and its `note` says so. A typeface without
    a file counts as present where its rendered glyphs lie in the cache.

    Raises:
        InputError: unknown split, `SIAMESE_FONTS` names something that is not a folder, a font file that
            cannot be read, or no fonts at all.
    """
    wanted = declared_faces(split)
    files = _files_by_name(font_folders())
    parts = dict.fromkeys((*SPLITS, split))
    found = {face: _locate(face, files, fallback=False) for part in parts for face in declared_faces(part)}
    missing = [face for face, located in found.items() if located is None]
    if not missing:
        return [found[face] for face in wanted]
    fallback = {face: _locate(face, files, fallback=True) for part in SPLITS for face in FALLBACK_FACES[part]}
    more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
    names = ", ".join(face.file for face in missing[:4]) + more
    packages = " ".join(sorted({face.package for face in missing}))
    if None in fallback.values():
        pypi = " ".join(sorted({face.package for face, located in fallback.items() if located is None}))
        raise InputError(
            f"{len(missing)} of {len(found)} Hangul typefaces were not found ({names}); run `make fonts` "
            f"(Debian packages {packages}), or for a fallback `pip install {pypi}`, or set SIAMESE_FONTS to "
            "the folder that holds them"
        )
    warnings.warn(
        f"using the few typefaces of the PyPI fallback: {names} not found; run `make fonts` (Debian packages "
        f"{packages}) for the full set",
        stacklevel=2,
    )
    return [fallback[face] for face in FALLBACK_FACES["train" if split == WIDE else split]]


def font_file(path: str | Path, index: int = 0) -> FoundFace:
    """A font file of your own as a typeface.

    Key and family are the file's name. In a collection the key also has the index (`Name[1]`), for a variable
    font the values of its axes (`Name[wght=400]`), and `note` says what they mean.

    Args:
        path: the file.
        index: of the typeface in a collection, from 0.

    Raises:
        InputError: no such file, no such index, or a file that is no font.
    """
    path, index = Path(path), whole_number("index", index, 0)
    if not os.path.isfile(path):
        raise InputError(f"font file {path} does not exist; give the path of a .ttf, .otf or .ttc file")
    suffix, note = designation(path, index)
    digest = file_sha256(path)
    return FoundFace(
        Face(path.stem + suffix, path.stem, path.name, "", digest, "", index), path, digest, note=note
    )


def font_folders() -> list[Path]:
    """Folders searched for typefaces, in order of preference."""
    given = os.environ.get("SIAMESE_FONTS")
    if given:
        folders = [absolute(part, "SIAMESE_FONTS") for part in given.split(os.pathsep) if part]
        for folder in folders:
            if not os.path.isdir(folder):
                raise InputError(
                    f"SIAMESE_FONTS names {folder}, which is not a folder; give folders separated by "
                    f"{os.pathsep!r}, or unset it"
                )
    else:
        home = Path(os.path.expanduser("~"))  # remains "~" for a user without a home folder
        own = [home / ".fonts", home / ".local" / "share" / "fonts"] if home.is_absolute() else []
        folders = [Path("/usr/share/fonts"), *own]
    for package in PYPI_PACKAGES:
        # Found, not imported: importing koreanize_matplotlib changes matplotlib's settings.
        specification = importlib.util.find_spec(package)
        if specification is not None:
            folders.extend(Path(folder) for folder in specification.submodule_search_locations or [])
    return folders


def masters_name(sha256: str, index: int, alphabet: str = "*") -> str:
    """Name within the cache of a typeface's rendered glyphs, or the pattern of all of them."""
    return f"glyphs-{RENDERER_VERSION}/{sha256[:32]}-{index}-{alphabet}.npz"


def _files_by_name(folders: list[Path]) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for folder in folders:
        for path in files_beneath(folder):
            files.setdefault(path.name, []).append(path)
    return files


def _locate(face: Face, files: dict[str, list[Path]], fallback: bool) -> FoundFace | None:
    """The declared file, else one of its name, else glyphs in the cache; a damaged file hides no other."""
    problems = []
    editions = []
    for path in files.get(face.file, []):
        try:
            digest = file_sha256(path)
            if digest == face.sha256:
                return FoundFace(face, path, digest, fallback)
            editions.append((path, digest, designation(path, face.index)[1]))
        except InputError as error:
            problems.append(error)
    if editions:
        path, digest, note = editions[0]
        note = f"another edition of {face.file} than the declared one" + (f"; {note}" if note else "")
        return FoundFace(face, path, digest, fallback, note)
    if problems:
        raise problems[0]
    if cached(masters_name(face.sha256, face.index)):
        note = f"{face.file} is absent, glyphs come from the cache"
        return FoundFace(face, None, face.sha256, fallback, note)
    return None


def is_stopgap(manifest: dict) -> bool:
    """Whether a run's manifest says that the PyPI fallback was used in place of the declared typefaces."""
    return manifest.get("fonts", {}).get("fallback", False)
