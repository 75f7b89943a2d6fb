"""The serve command: a model behind a page and an endpoint, for this machine."""

from captcha_tagger.base.settings import load_section
from captcha_tagger.commands.predict import find_model
from captcha_tagger.data.pixels import Shape
from captcha_tagger.predict.predictor import Predictor
from captcha_tagger.serve.app import make_app
from captcha_tagger.serve.decoder import Decoder
from captcha_tagger.serve.params import Serve
from captcha_tagger.serve.server import address_of, listen, run_server
from captcha_tagger.source.decoding_process import DecodingProcess


def serve(model: str, host: str, port: int) -> None:
    """Answer until Ctrl-C; InputError when the model or the port cannot be had."""
    limits = load_section("serve", Serve)
    predictor = Predictor(find_model(model))
    process = DecodingProcess(max_pixels=limits.max_image_pixels, max_seconds=limits.max_seconds)
    with listen(host, port) as listener, process:
        decoder = Decoder(Shape(*predictor.card.shape), process)
        print(f"serving {model} at {address_of(listener)}; Ctrl-C ends it", flush=True)
        run_server(make_app(predictor, decoder, limits, host), listener)
