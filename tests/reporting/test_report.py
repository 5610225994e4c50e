"""A run's report: one file with everything in it, nothing loaded from elsewhere, names escaped; and its pictures."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convolens as cl
from convolens.cli import main
from convolens.reporting import images, write_report
from convolens.reporting.findings import Findings
from convolens.runs import Run, train_task

VOID = {"meta", "img", "br", "source"}
PICTURES = {"architecture", "calibration", "confusion_matrix", "curves", "feature_maps", "filters", "misclassified"}


class Page(HTMLParser):
    """A page taken apart: its elements with attributes, its text, and whether its tags are balanced."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    def all(self, tag, **attributes):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in attributes.items())]


def pixels(address):
    kind, data = address.split(",", 1)
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    run = train_task("digits", epochs=1, batch_size=64, out=folder, verbose=0)
    assert main(["report", str(folder), "--json"]) == 0
    return run


@pytest.fixture
def no_figures(monkeypatch):
    """Leave the figures out, which take most of a report's time."""
    monkeypatch.setattr(images, "_figures_of", lambda findings: {})


@pytest.fixture(scope="module")
def page(digits_run):
    return Page((digits_run.folder / "report.html").read_text("utf-8"))


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(page):
    addresses = [a[key] for _, a in page.elements for key in ("src", "srcset", "href") if key in a]
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in addresses)
    assert not page.all("script")
    assert not page.all("link")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_every_figure_has_a_light_and_a_dark_version(page):
    dark, light = page.all("source"), [a for a in page.all("img") if "width" in a]
    assert len(dark) == len(light) == 5
    for one, other in zip(dark, light, strict=True):
        assert one["media"] == "(prefers-color-scheme: dark)"
        dark_pixels, light_pixels = pixels(one["srcset"]), pixels(other["src"])
        assert dark_pixels.shape == light_pixels.shape
        assert np.median(dark_pixels[..., :3]) < 60 < 200 < np.median(light_pixels[..., :3])
        assert other["alt"]


def test_the_sections_say_what_the_run_says(page, digits_run):
    assert [a["id"] for a in page.all("section")] == [
        "data", "network", "training", "evaluation", "errors", "inside", "repeat",
    ]  # fmt: skip
    text = " ".join(" ".join(page.text).split())
    metrics, config = digits_run.metrics, digits_run.config
    low, high = metrics["accuracy_interval"]
    assert f"{metrics['accuracy']:.2%} test accuracy; 95% interval {low:.2%} to {high:.2%}" in text
    assert config["command"] in text
    assert config["data"]["description"] in text
    assert config["data"]["notes"][0] in text
    for value in config["environment"].values():
        assert str(value) in text
    for layer in digits_run.model.layers:
        assert layer.name in text
    assert f"{digits_run.model.count_params():,} parameters" in text
    for row in metrics["classes"]:
        assert f"{row['class']} {row['precision']:.4f} {row['recall']:.4f} {row['f1']:.4f} {row['support']}" in text


def test_every_wrong_case_has_its_image_probabilities_and_saliency(page, digits_run):
    data = digits_run.dataset()
    evaluation = cl.evaluation.evaluate_classifier(digits_run.model, data.x_test, data.y_test, data.class_names)
    wrong = evaluation.misclassified
    assert len(page.all("div", **{"class": "case"})) == len(wrong) > 0
    for row in wrong.head(3).itertuples():
        (image,) = page.all("img", alt=f"test image {row.index}")
        np.testing.assert_array_equal(pixels(image["src"]), np.rint(255 * data.x_test[row.index, ..., 0]))
        (saliency,) = page.all("img", alt=f"saliency of test image {row.index}")
        maps = cl.visualize.saliency_maps(digits_run.model, data.x_test[row.index], int(evaluation.y_pred[row.index]))[
            0
        ]
        shown = pixels(saliency["src"]).astype(int)
        assert shown.shape == (8, 8, 3)
        orange = shown[..., 0] - shown[..., 2]
        assert np.argmax(orange) == np.argmax(maps) or maps.ravel()[np.argmax(orange)] > 0.5 * maps.max()
    text = " ".join(" ".join(page.text).split())
    first = wrong.iloc[0]
    assert f"{first['true']}, taken for {first['predicted']} {first['predicted']} {first['confidence']:.3f}" in text


def test_the_classes_show_their_samples(page, digits_run):
    strips = page.all("img", **{"class": "strip"})
    assert [strip["alt"] for strip in strips] == [f"training images of {digit}" for digit in range(10)]
    data = digits_run.dataset()
    first = data.x_train[data.y_train == 3][0, ..., 0]
    np.testing.assert_allclose(pixels(strips[3]["src"])[:, :8] / 255, first, atol=0.003)


def test_pictures_are_files_too(digits_run):
    files = list((digits_run.folder / "images").iterdir())
    assert {file.name for file in files} == {f"{name}.png" for name in PICTURES}
    for file in files:
        with Image.open(file) as picture:
            assert picture.size[0] > 700


def test_the_command_says_where_and_takes_a_number_of_cases(digits_run, tmp_path, capsys, no_figures):
    folder = shutil.copytree(digits_run.folder, tmp_path / "run")
    assert main(["report", str(folder), "--json", "--cases", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["report"] == str(folder / "report.html")
    assert {Path(path).stem for path in told["images"]} == PICTURES
    page = Page((folder / "report.html").read_text("utf-8"))
    assert len(page.all("div", **{"class": "case"})) == 2
    assert "The 2 most confident of" in " ".join(page.text)


def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "no config.json" in capsys.readouterr().err


NASTY = ["<script>alert(1)<", 'a" onerror="x', "{{ config }}", "$x_1$ & co"]


def test_names_from_outside_are_escaped(tmp_path, no_figures):
    rng = np.random.default_rng(0)
    for number, name in enumerate(NASTY):
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        for i in range(8):
            image = rng.integers(0, 255, (16, 16, 3)).astype("uint8")
            image[:, 4 * number : 4 * number + 4] = 255
            Image.fromarray(image).save(folder / f"{i}.png")
    run = train_task(tmp_path / "set", epochs=1, out=tmp_path / "run", validation=0, verbose=0)
    path = write_report(run)
    text = path.read_text("utf-8")
    page = Page(text)
    assert not page.all("script")
    assert "<script>" not in text
    assert not any("onerror" in attributes for _, attributes in page.elements)
    for name in NASTY:
        assert name in " ".join(page.text)
        assert html.escape(name, quote=False) in text.replace("&#34;", '"').replace("&quot;", '"')


def test_leaks_are_told_and_the_accuracy_without_them(tmp_path, digits_run, no_figures):
    data = digits_run.dataset()
    copied = shutil.copytree(digits_run.folder, tmp_path / "leaky")
    leaky = Run.load(copied)
    x_test, raw_test = data.x_test.copy(), data.raw.x_test.copy()
    x_test[:5], raw_test[:5] = data.x_train[:5], data.raw.x_train[:5]
    y_test = np.concatenate([data.y_train[:5], data.y_test[5:]])
    leaky.keep(dataclasses.replace(data, x_test=x_test, y_test=y_test, raw=type(data.raw)(data.raw.x_train, raw_test)))
    text = " ".join(" ".join(Page(write_report(leaky).read_text("utf-8")).text).split())
    predicted = digits_run.model.predict(x_test, verbose=0).argmax(axis=1)
    accuracy = np.mean((predicted == y_test)[5:])
    assert "5 of the 450 test images are also training images" in text
    assert re.search(rf"On the other 445 the accuracy is {accuracy:.2%} \(95% interval", text)


def test_two_classes_have_a_roc_curve(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (40, 16, 16, 3)).astype("uint8")
    x[::2, :8] = 0
    for number in range(2):
        folder = tmp_path / "set" / ("dark" if number == 0 else "light")
        folder.mkdir(parents=True)
        for i, image in enumerate(x[number::2]):
            Image.fromarray(image).save(folder / f"{i}.png")
    run = train_task(tmp_path / "set", epochs=2, out=tmp_path / "run", verbose=0)
    pictures = images.Pictures(Findings(run))
    assert set(pictures) == {*PICTURES, "roc"}
    assert pictures.themed("roc").alt == "true against false positive rate"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_draws_it_light_and_dark(digits_run, tmp_path, theme):
    shot = tmp_path / "shot.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,3000"]
    flags += ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if theme == "dark" else []
    address = (digits_run.folder / "report.html").as_uri()
    subprocess.run(["chromium", *flags, f"--screenshot={shot}", address], check=True, capture_output=True, timeout=120)
    drawn = np.asarray(Image.open(shot).convert("L"))
    assert drawn.shape == (3000, 1200)
    assert (np.median(drawn) < 60) == (theme == "dark")
    assert drawn.std() > 20


def test_a_certificate_is_a_section(digits_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(digits_run.folder, folder)
    assert not Page((folder / "report.html").read_text()).all("section", id="certificate")
    kernel = {"name": "kernel", "compared": 140, "elements": 144, "kinks": 4, "worst": 3e-9}
    layer = {"name": "conv2d", "kind": "Conv2D", "gradients": [kernel]}
    found = {"ok": False, "summary": "140 of 144 verified", "examples": 2, "layers": [layer], "failures": ["<b>wrong"]}
    (folder / "certificate.json").write_text(json.dumps(found))
    page = Page(write_report(folder).read_text())
    assert page.all("section", id="certificate")
    text = " ".join(page.text)
    for words in ("140 of 144 verified", "140 of 144 of dkernel (4 at kinks)", "3e-09", "<b>wrong"):
        assert words in text
