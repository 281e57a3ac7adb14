#include "CChimneyLinux.h"
