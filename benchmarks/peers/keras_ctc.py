"""A CRNN with CTC loss that reads the text: the layers and settings of Keras's captcha example.

A worker of benchmarks/training.py and looks.py. Source: https://keras.io/examples/vision/captcha_ocr.
As there, images come in the same order in every epoch, and the weights of the least validation loss
are kept.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from progress import Progress, read_job

HEIGHT, WIDTH = 50, 200
BATCH = 16
PATIENCE = 10
BLANK = 0

Rows = list[tuple[str, str]]  # file and text


def main() -> None:
    job = read_job()
    progress = Progress(job["started"])
    progress.lap("start-up")
    keras.utils.set_random_seed(job["seed"])
    folder, vocabulary = Path(job["folder"]), job["vocabulary"]
    length = max(len(text) for _, text in job["train"] + job["validation"])
    images = read_images(folder, job["train"])
    texts = encode_texts(job["train"], vocabulary, length)
    model = build_model(len(vocabulary) + 1)
    model.compile(optimizer="adam", loss=keras.losses.CTC())
    validation = Validation(
        read_images(folder, job["validation"]),
        encode_texts(job["validation"], vocabulary, length),
        len(vocabulary),
        progress,
    )
    progress.lap("load")
    fitted = model.fit(
        images,
        texts,
        batch_size=BATCH,
        epochs=job["settings"]["epochs"],
        shuffle=False,
        callbacks=[validation],
        verbose=0,
    )
    validation.score()
    progress.lap("epochs")
    read = ["".join(vocabulary[symbol - 1] for symbol in spell(one)) for one in validation.answer()]
    num_images = len(fitted.epoch) * len(images)
    progress.report_end(num_images, ["keras", "tensorflow-cpu"], read=read)


def read_images(folder: Path, rows: Rows) -> NDArray[np.float32]:
    """Grey pixels in 0..1 (images, width, height, 1): the width is the time of the LSTMs."""
    images = [read_image(folder / file) for file, _ in rows]
    return np.stack(images).transpose(0, 2, 1, 3) / np.float32(255)


def read_image(path: Path) -> NDArray[np.float32]:
    pixels = tf.io.decode_png(tf.io.read_file(str(path)), channels=1)
    return tf.image.resize(pixels, (HEIGHT, WIDTH)).numpy()


def encode_texts(rows: Rows, vocabulary: list[str], length: int) -> NDArray[np.int32]:
    """The number of each character from 1 on, filled up with BLANK (texts, length)."""
    encoded = np.full((len(rows), length), BLANK, np.int32)
    for row, (_, text) in enumerate(rows):
        encoded[row, : len(text)] = [vocabulary.index(character) + 1 for character in text]
    return encoded


def build_model(num_symbols: int) -> keras.Model:
    def convolve(filters: int) -> list[layers.Layer]:
        convolution = layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"
        )
        return [convolution, layers.MaxPooling2D(2)]

    def remember(units: int) -> layers.Layer:
        return layers.Bidirectional(layers.LSTM(units, return_sequences=True, dropout=0.25))

    return keras.Sequential(
        [
            layers.Input((WIDTH, HEIGHT, 1)),
            *convolve(32),
            *convolve(64),
            layers.Reshape((WIDTH // 4, HEIGHT // 4 * 64)),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            remember(128),
            remember(64),
            layers.Dense(num_symbols),
        ]
    )


class Validation(keras.callbacks.EarlyStopping):
    """The same answers give an epoch's line and the loss that decides when to stop."""

    def __init__(
        self,
        images: NDArray[np.float32],
        texts: NDArray[np.int32],
        num_labels: int,
        progress: Progress,
    ) -> None:
        super().__init__("val_loss", patience=PATIENCE, mode="min", restore_best_weights=True)
        self.images, self.texts, self.num_labels = images, texts, num_labels
        self.progress = progress

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, {"val_loss": self.score()})

    def answer(self) -> NDArray[np.float32]:
        """Logits (images, steps, symbols)."""
        logits: NDArray[np.float32] = self.model.predict(self.images, batch_size=BATCH, verbose=0)
        return logits

    def score(self) -> float:
        """Report the label sets that were read; the loss."""
        logits = self.answer()
        wrong = [
            len(set(spell(one)) ^ (set(text.tolist()) - {BLANK}))
            for one, text in zip(logits, self.texts, strict=True)
        ]
        label_accuracy = 1 - np.mean(wrong) / self.num_labels
        self.progress.report_epoch(float(label_accuracy), float(np.equal(wrong, 0).mean()))
        return float(self.model.loss(self.texts, logits))


def spell(logits: NDArray[np.float32]) -> list[int]:
    """The symbols that the likeliest path (steps, symbols) spells: greedy decoding."""
    path = logits.argmax(1)
    starts = np.append(True, path[1:] != path[:-1])
    return [symbol for symbol in path[starts].tolist() if symbol != BLANK]


if __name__ == "__main__":
    main()
