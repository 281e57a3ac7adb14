#include "chimney.h"

/* Programs read the beginning of the structure by the declarations of their C library. */
_Static_assert(offsetof(struct chimney_tcp_info, tcpi_rto) == 8, "Linux's layout");
_Static_assert(offsetof(struct chimney_tcp_info, tcpi_pmtu) == 60, "Linux's layout");
_Static_assert(offsetof(struct chimney_tcp_info, tcpi_total_retrans) == 100, "Linux's layout");
_Static_assert(offsetof(struct chimney_tcp_info, tcpi_bytes_acked) == 120, "Linux's layout");
_Static_assert(offsetof(struct chimney_tcp_info, tcpi_snd_wnd) == 228, "Linux's layout");
_Static_assert(sizeof(struct chimney_tcp_info) == 240, "Linux's layout");
