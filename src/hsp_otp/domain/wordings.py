"""Texts that an operator writes in place of the catalogues'."""

from collections.abc import Mapping
from typing import TypeAlias

import attrs

from hsp_otp.domain.names import Language
from hsp_otp.domain.purposes import Purpose


@attrs.frozen(kw_only=True)
class Wording:
    """
    Custom texts for one purpose in one language; an empty one replaces nothing.

    Attributes:
        text: Of a text message. Contains ``{code}`` once, and optionally ``{service}`` and
            ``{minutes}``.
        template_id: The id under which it is registered; in India, DLT's content template id.
        entity_id: The id of the entity that registered it; in India, DLT's principal entity id.
        email: Of an e-mail, with an empty line between paragraphs; the placeholders are the same.
        email_subject: May contain ``{service}``.
    """

    text: str = ""
    template_id: str | None = None
    entity_id: str | None = None
    email: str = ""
    email_subject: str = ""


Wordings: TypeAlias = Mapping[Purpose, Mapping[Language, Wording]]
