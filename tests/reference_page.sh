# inputs/REFERENCE.md is generated from the option tables of all drivers and must not be stale.
# Arguments: the program that prints the page, the page.
set -u
program=$1
page=$2
"$program" | diff "$page" - && echo "the page is up to date" && exit 0
echo "FAILED: $page is stale; renew it with: $program > inputs/REFERENCE.md"
exit 1
