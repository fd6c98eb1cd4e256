# SPDX-License-Identifier: Apache-2.0
"""The comparison that ../run makes. cases.py says what is measured, variants.py of whom; rounds.py measures; table.py and plots.py show it."""
