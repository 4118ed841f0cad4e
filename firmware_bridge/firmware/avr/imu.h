/* An MPU-6050 on the two-wire bus, read a hundred times a second by interrupts; nothing waits for it. */
#ifndef IMU_H
#define IMU_H

#include "../core/messages.h"

void imu_init(void);
void imu_tick(uint32_t now);   /* once a millisecond */
bool imu_latest(imu_t *imu);   /* false where none answers */

#endif
