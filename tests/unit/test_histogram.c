/* Latency histograms: which bucket a value falls into, and what quantiles can be told from that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/histogram.h"

#define LAST (CFS_HISTOGRAM_BOUNDS - 1)

static void test_bounds_grow_from_50_us_to_10_s(void **state)
{
    (void)state;
    assert_int_equal(cfs_histogram_bound(0), 50);
    for (uint32_t i = 1; i < CFS_HISTOGRAM_BOUNDS; i++)
        assert_true(cfs_histogram_bound(i) > cfs_histogram_bound(i - 1));
    assert_int_equal(cfs_histogram_bound(LAST), CFS_SECONDS(10));
}

static void test_a_bucket_takes_its_bound_and_not_the_next_value(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CFS_HISTOGRAM_BOUNDS; i++) {
        struct cfs_histogram histogram = {0};

        cfs_histogram_add(&histogram, cfs_histogram_bound(i));
        cfs_histogram_add(&histogram, cfs_histogram_bound(i) + 1);
        assert_int_equal(histogram.buckets[i], 1);
        assert_int_equal(histogram.buckets[i + 1], 1);
    }
}

static void test_counts_and_adds_up(void **state)
{
    struct cfs_histogram histogram = {0};
    uint64_t in_buckets = 0;

    (void)state;
    for (uint64_t us = 0; us < 1000; us++)
        cfs_histogram_add(&histogram, us);
    cfs_histogram_add(&histogram, CFS_SECONDS(3600));
    for (uint32_t i = 0; i <= CFS_HISTOGRAM_BOUNDS; i++)
        in_buckets += histogram.buckets[i];
    assert_int_equal(histogram.count, 1001);
    assert_int_equal(in_buckets, 1001);
    assert_int_equal(histogram.buckets[LAST + 1], 1);
    assert_true(histogram.sum_us == 999 * 1000 / 2 + CFS_SECONDS(3600));
}

static void test_quantiles_of_nothing_and_of_one(void **state)
{
    struct cfs_histogram histogram = {0};

    (void)state;
    assert_int_equal(cfs_histogram_quantile(&histogram, 500), 0);
    cfs_histogram_add(&histogram, 700);
    assert_int_equal(cfs_histogram_quantile(&histogram, 0), 1000);
    assert_int_equal(cfs_histogram_quantile(&histogram, 500), 1000);
    assert_int_equal(cfs_histogram_quantile(&histogram, 1000), 1000);
}

/* Values spread evenly over the buckets' whole width are what the estimate assumes. */
static void test_quantiles_of_an_even_spread_are_near(void **state)
{
    struct cfs_histogram histogram = {0};

    (void)state;
    for (uint64_t us = 1; us <= 10000; us++)
        cfs_histogram_add(&histogram, us);
    for (uint32_t permille = 10; permille <= 1000; permille += 10)
        assert_in_range(cfs_histogram_quantile(&histogram, permille), permille * 10 - 1,
                        permille * 10 + 1);
}

static void test_quantiles_never_leave_their_bucket_nor_fall(void **state)
{
    struct cfs_histogram histogram = {0};
    uint64_t before = 0;

    (void)state;
    for (int i = 0; i < 90; i++)
        cfs_histogram_add(&histogram, 60);
    for (int i = 0; i < 9; i++)
        cfs_histogram_add(&histogram, 3000);
    cfs_histogram_add(&histogram, CFS_SECONDS(60));
    for (uint32_t permille = 0; permille <= 1000; permille++) {
        uint64_t value = cfs_histogram_quantile(&histogram, permille);

        assert_true(value >= before);
        before = value;
    }
    assert_in_range(cfs_histogram_quantile(&histogram, 500), 50, 100);
    assert_in_range(cfs_histogram_quantile(&histogram, 950), 2500, 5000);
    assert_int_equal(cfs_histogram_quantile(&histogram, 1000), CFS_SECONDS(10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_grow_from_50_us_to_10_s),
        cmocka_unit_test(test_a_bucket_takes_its_bound_and_not_the_next_value),
        cmocka_unit_test(test_counts_and_adds_up),
        cmocka_unit_test(test_quantiles_of_nothing_and_of_one),
        cmocka_unit_test(test_quantiles_of_an_even_spread_are_near),
        cmocka_unit_test(test_quantiles_never_leave_their_bucket_nor_fall),
    };

    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
