"""The core's interfaces to the outside, in the domain's words: Protocols, values and failures."""
