#include "capi_bed.h"

int main(void)
{
    const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        test_errors(families[i]);
        test_streams(families[i]);
        test_datagrams(families[i]);
        test_options(families[i]);
        test_time(families[i]);
        test_random(families[i]);
    }
    test_threads();
    printf("C API: %d checks\n", checks);
    return 0;
}
