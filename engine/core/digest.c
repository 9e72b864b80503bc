/* The constants are those of the FNV authors, for 64 bits. */
#include "core/digest.h"

#define PRIME 0x100000001b3u

uint64_t cfs_digest_number(uint64_t digest, uint64_t value)
{
    for (unsigned shift = 0; shift < 64; shift += 8)
        digest = (digest ^ (value >> shift & 0xff)) * PRIME;
    return digest;
}

uint64_t cfs_digest_bytes(uint64_t digest, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++)
        digest = (digest ^ bytes[i]) * PRIME;
    return digest;
}
