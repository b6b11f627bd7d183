"""What a night's generators tell of users, in full: audit_privacy.py --config FILE --date D; after prepare."""

import sys

from recaug.cli import audit

if __name__ == "__main__":
    sys.exit(audit())
