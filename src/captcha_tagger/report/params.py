"""The section `top_losses` of params.yaml."""

from captcha_tagger.base.settings import Count, Section


class TopLosses(Section):
    images: Count
    page_images: Count
