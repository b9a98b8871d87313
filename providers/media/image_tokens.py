"""An upper bound of the tokens of an image, or of a PDF page, at one deployment: by its model's name, and by what its
operator configured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from providers.media.images import UNKNOWN, Picture, formula_of, most_tokens, name_at

# Anthropic, "Images and vision": patches of 28 pixels, at most 2,576 pixels of the longer side and 3.75 megapixels.
CLAUDE_PICTURE: Final = 4_784
PAGE_FRAME: Final = 64  # tokens added around a page


class MediaLimits(msgspec.Struct, frozen=True):
    """The image limits of one model. `image_max_tokens`: one image, None: only the formulas of media/images.py.

    `pdf_page_max_tokens`: one page without its text, None: unknown, so that a PDF is bounded by the context window.
    """

    model: str
    image_max_tokens: int | None = None
    pdf_page_max_tokens: int | None = None

    def max_tokens(self, picture: Picture) -> int:
        """Return the upper bound of an image's tokens; an unknown size counts as the largest the model accepts."""
        most = self.image_max_tokens
        if most is not None and not all(picture):
            return most
        measured = most_tokens(picture, (self.model,))
        return measured if most is None else min(most, measured)


def media_limits_for(
    provider: str, model: str, image: int | None = None, page: int | None = None
) -> MediaLimits:
    """Return the limits of a deployment. A page has one if its provider documents reading it as text and image.

    OpenAI, "File inputs"; Anthropic, "PDF support". Other hosts of their models may read files differently.
    """
    sight = MediaLimits(name_at(provider, model), image, page)
    if page is None and provider in {"openai", "azure"}:
        page = sight.max_tokens(UNKNOWN) + PAGE_FRAME
    elif page is None and provider == "anthropic":
        page = (CLAUDE_PICTURE if image is None else image) + PAGE_FRAME
    return msgspec.structs.replace(sight, pdf_page_max_tokens=page)


def stated_media_limits(provider: str, model: str, facts: Mapping[str, int]) -> MediaLimits:
    """Return the limits of a deployment, with the values of its row."""
    return media_limits_for(provider, model, facts.get("image_max_tokens"), facts.get("pdf_page_max_tokens"))


def max_tokens_of_pictures(pictures: Sequence[Picture], limits: Sequence[MediaLimits]) -> int:
    """Return the upper bound of all images' tokens, each at its most expensive deployment: thousands of images, and
    dozens of deployments with a few distinct formulas.
    """
    if not limits:
        return sum([most_tokens(picture, ()) for picture in pictures])
    ways = {(formula_of(sight.model), sight.image_max_tokens): sight for sight in limits}.values()
    return sum([max([sight.max_tokens(picture) for sight in ways]) for picture in pictures])


def max_tokens_of_page(limits: Sequence[MediaLimits]) -> int | None:
    """Return the upper bound of a page's tokens at any of them, without its text; None: unknown for one of them."""
    pages = [sight.pdf_page_max_tokens for sight in limits]
    known = [page for page in pages if page is not None]
    return max(known) if known and len(known) == len(pages) else None
