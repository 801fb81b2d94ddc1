include $(sort $(wildcard $(BR2_EXTERNAL_VHOTPLUG_PATH)/package/*/*.mk))
