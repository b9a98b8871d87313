"""Form fields of the back office: lists of words, limits with the word `unlimited`, money. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms.models import InlineForeignKeyField
from typing_extensions import override
from unfold.widgets import UnfoldAdminTextInputWidget

from gateway.values.limits import UNLIMITED
from gateway.values.money import NANO, in_usd

if TYPE_CHECKING:
    DjangoModelForm = forms.ModelForm[Any]
else:
    DjangoModelForm = forms.ModelForm  # Django's generics exist for the type checker only

LARGEST = 2**63 - 1


class ModelForm(DjangoModelForm):
    """On its owner's page, a row's constraints are checked too: Django leaves those that include the owner to the
    database, whose refusal would be an error page. Errors are shown at `errors_at`: the theme shows nothing there that
    belongs to no field.
    """

    errors_at = ""

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # Django's own, missing in the stubs
        is_inline = any(isinstance(field, InlineForeignKeyField) for field in self.fields.values())
        if is_inline and not self.errors:
            try:
                self.instance.validate_constraints(exclude=self._get_validation_exclusions())  # type: ignore[attr-defined]  # as above
            except forms.ValidationError as error:
                self._update_errors(error)  # type: ignore[attr-defined]  # as above
        if is_inline and self.errors_at in self.fields and NON_FIELD_ERRORS in self.errors:
            errors = self.errors.pop(NON_FIELD_ERRORS)
            self.errors.setdefault(self.errors_at, self.error_class()).extend(errors.as_data())


class WordsField(forms.CharField):
    """A list of words, separated by commas. Empty is an empty list, or None if `empty` is None."""

    def __init__(self, *, empty: Any = (), **options: Any) -> None:
        options = {"required": False, "widget": UnfoldAdminTextInputWidget()} | options
        super().__init__(**options)
        self.empty = empty

    @override
    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(word) for word in value) if isinstance(value, list | tuple) else value

    @override
    def clean(self, value: Any) -> Any:
        text = str(super().clean(value) or "")
        words = list(dict.fromkeys(text.replace(",", " ").split()))
        return words or (list(self.empty) if self.empty is not None else None)

    @override
    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or ()) != (self.clean(data) or [])


class ComparedByValue(forms.Field):
    """Changed means another value, not another spelling of it. A mixin, before the field class it extends."""

    @override
    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != initial)
        except forms.ValidationError:
            return True


class LimitField(ComparedByValue, forms.CharField):
    """A positive number, nothing (inherit), or the word `unlimited`."""

    def __init__(self, **options: Any) -> None:
        options = {"required": False, "widget": UnfoldAdminTextInputWidget()} | options
        super().__init__(**({"help_text": "A number; empty: inherit; or the word unlimited."} | options))

    @override
    def prepare_value(self, value: Any) -> Any:
        return "unlimited" if value == UNLIMITED else value

    @override
    def clean(self, value: Any) -> Any:
        text = str(super().clean(value) or "").strip().replace(",", "").replace("_", "").lower()
        if text == "unlimited":
            return UNLIMITED
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= LARGEST:
            raise forms.ValidationError("A positive whole number, nothing, or the word unlimited.")
        return int(text)


class UsdField(ComparedByValue, forms.DecimalField):
    """An amount in USD over an integer number of units, `units_per_usd` of which are one USD."""

    def __init__(self, *, units_per_usd: int = NANO, **options: Any) -> None:
        options = {"widget": UnfoldAdminTextInputWidget(), "min_value": 0} | options
        super().__init__(**options)
        self.units_per_usd = units_per_usd

    @override
    def prepare_value(self, value: Any) -> Any:
        return f"{in_usd(value, self.units_per_usd):f}" if isinstance(value, int) else value

    @override
    def clean(self, value: Any) -> Any:
        amount = super().clean(value)
        if amount is None:
            return None
        units = amount * self.units_per_usd
        if units != int(units) or units > LARGEST:
            raise forms.ValidationError(
                f"Too fine or too large: steps of {in_usd(1, self.units_per_usd):f} USD."
            )
        return int(units)
