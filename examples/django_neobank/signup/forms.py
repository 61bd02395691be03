"""The form of step 2."""

from django import forms


class DetailsForm(forms.Form):
    """Personal details; the number is not a field, because it is proved and not typed."""

    full_name = forms.CharField(max_length=200)
    date_of_birth = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
