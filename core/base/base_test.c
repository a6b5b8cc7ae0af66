#include "core/base/check.h"
static void t(void) { CHECK(1); }
static const struct check_test tests[] = { CHECK_TEST(t) };
int main(int argc, char **argv) { return check_main(argc, argv, tests, CHECK_COUNT(tests)); }
