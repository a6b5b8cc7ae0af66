#ifndef CORE_BASE_UAPI_H
#define CORE_BASE_UAPI_H
#endif
