#!/bin/sh
# Fetches the engine's own scripts: the package datafusion-sqllogictest of crates.io, Apache-2.0, in the version of the engine.
# Usage: engine_scripts.sh FOLDER
set -eu
folder=$1
version=55.2.0
sum=b270cea4d8c2b2c42773e60164204386fb97d7936736e5f126ac751b86d7dabe
if [ -f "$folder/version" ] && [ "$(cat "$folder/version")" = "$version" ]; then
    exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"
archive=$folder/package.crate
curl --silent --show-error --fail --location --max-time 120 --user-agent "placido tests" --output "$archive" \
    "https://static.crates.io/crates/datafusion-sqllogictest/datafusion-sqllogictest-$version.crate"
echo "$sum  $archive" | sha256sum --check --quiet
tar --extract --gzip --file "$archive" --directory "$folder" --strip-components 1 "datafusion-sqllogictest-$version/test_files"
rm "$archive"
echo "$version" >"$folder/version"
