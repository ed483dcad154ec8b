/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h - the main() of every unit test program: one suite of libcheck tests. Without fork
 * (Windows, sanitizers that dislike it) libcheck runs the tests in one process. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* UNIT_MAIN("subject", test_a, test_b, ...). UNIT_SUITE(unit_run, ...) defines a function that a
 * main() of the test's own calls. */
#define UNIT_MAIN(...) UNIT_SUITE(main, __VA_ARGS__)
#define UNIT_SUITE(function, subject, ...)                                          \
    int function(void);                                                             \
    int function(void)                                                              \
    {                                                                               \
        const TTest *tests[] = { __VA_ARGS__ };                                     \
        Suite *suite = suite_create(subject);                                       \
        TCase *tc = tcase_create(subject);                                          \
        tcase_set_timeout(tc, 600);                                        \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)                 \
            tcase_add_test(tc, tests[i]);                                           \
        suite_add_tcase(suite, tc);                                                 \
        SRunner *runner = srunner_create(suite);                                    \
        srunner_run_all(runner, CK_ENV);                                            \
        int failed = srunner_ntests_failed(runner);                                 \
        srunner_free(runner);                                                       \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                \
    }

#define ck_assert_ok(expr, err)                                                     \
    do {                                                                            \
        int rc_ = (expr);                                                           \
        ck_assert_msg(rc_ == 0, "%s: %d %s", #expr, rc_, (err)->msg);               \
    } while (0)

#endif
