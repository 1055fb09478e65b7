#!/usr/bin/env bash
# Makes the two fonts of this folder from DejaVu 2.37 (Debian: fonts-dejavu-extra) with pyftsubset (Debian: fonttools).
# Run it only to add a script to the ranges: the golden files of pkg/document do not depend on it, the size of every PDF's parse does.
set -euo pipefail
cd "$(dirname "$0")"
from=${1:-/usr/share/fonts/truetype/dejavu}
# Latin with all extensions (Akan, Ewe, Hausa, Yoruba), combining accents, Greek, Cyrillic, punctuation, currency signs, arrows, some maths, shapes.
ranges=U+0020-007E,U+00A0-024F,U+0250-02AF,U+02B0-02FF,U+0300-036F,U+0370-03FF,U+0400-04FF,U+1E00-1EFF,U+2000-206F,U+2070-209F
ranges+=,U+20A0-20BF,U+2100-214F,U+2190-2199,U+2200-2265,U+25A0-25FF,U+2713,U+2717,U+FB01,U+FB02,U+FFFD
for font in DejaVuSansCondensed DejaVuSansCondensed-Bold; do
  pyftsubset "$from/$font.ttf" --unicodes="$ranges" --layout-features='' --no-hinting --glyph-names --legacy-cmap \
    --drop-tables+=GSUB,GPOS,GDEF,MATH,kern,FFTM --name-IDs='*' --notdef-outline --output-file="$font.ttf"
done
