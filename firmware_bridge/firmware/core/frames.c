#include "frames.h"

uint16_t crc16(uint16_t crc, uint8_t byte) {
    crc ^= (uint16_t)((uint16_t)byte << 8);
    for (uint8_t bit = 0; bit < 8; bit++)
        crc = (uint16_t)((uint16_t)(crc << 1) ^ ((crc & 0x8000u) ? 0x1021u : 0u));
    return crc;
}

/* In place: what is decoded is never longer than what was read. Returns 0 for what isn't COBS. */
static uint8_t cobs_decode(uint8_t *bytes, uint8_t length) {
    uint8_t from = 0, to = 0;
    while (from < length) {
        uint8_t code = bytes[from++];
        if (code == 0 || (uint8_t)(length - from) < (uint8_t)(code - 1)) return 0;
        for (uint8_t left = code; left > 1; left--) bytes[to++] = bytes[from++];
        if (from < length) bytes[to++] = 0; /* no code is 0xff: a body is shorter than 254 */
    }
    return to;
}

static uint8_t body_length(uint8_t *bytes, uint8_t length) {
    uint8_t body = cobs_decode(bytes, length);
    if (body < 4) return 0;
    uint16_t crc = 0xffff;
    for (uint8_t at = 0; at < body - 2; at++) crc = crc16(crc, bytes[at]);
    if (bytes[body - 2] != (crc & 0xff) || bytes[body - 1] != crc >> 8) return 0;
    return (uint8_t)(body - 2);
}

uint8_t decoder_push(decoder_t *decoder, uint8_t byte) {
    if (byte != 0) {
        if (decoder->length < sizeof decoder->bytes)
            decoder->bytes[decoder->length++] = byte;
        else
            decoder->skipping = true;
        return 0;
    }
    uint8_t length = decoder->length;
    bool skipping = decoder->skipping;
    decoder->length = 0;
    decoder->skipping = false;
    if (length == 0) return 0; /* two zeros in a row: the end of one frame and the beginning of the next */
    uint8_t body = skipping ? 0 : body_length(decoder->bytes, length);
    if (body == 0 && decoder->bad < UINT16_MAX) decoder->bad++;
    return body;
}

typedef struct {
    uint8_t *wire;
    uint8_t code, at; /* where the count of the run stands, and where the next byte goes */
    uint16_t crc;
} writer_t;

static void put(writer_t *writer, uint8_t byte) {
    if (byte == 0) {
        writer->wire[writer->code] = (uint8_t)(writer->at - writer->code);
        writer->code = writer->at++;
    } else {
        writer->wire[writer->at++] = byte;
    }
    writer->crc = crc16(writer->crc, byte);
}

uint8_t frame_encode(uint8_t *wire, uint8_t sequence, uint8_t id, const uint8_t *data, uint8_t length) {
    writer_t writer = {wire, 1, 2, 0xffff};
    wire[0] = 0;
    put(&writer, sequence);
    put(&writer, id);
    for (uint8_t at = 0; at < length; at++) put(&writer, data[at]);
    uint16_t crc = writer.crc;
    put(&writer, (uint8_t)(crc & 0xff));
    put(&writer, (uint8_t)(crc >> 8));
    wire[writer.code] = (uint8_t)(writer.at - writer.code);
    wire[writer.at] = 0;
    return (uint8_t)(writer.at + 1);
}
